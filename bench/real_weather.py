"""Cuts the raw weather file into the monthly files that a port would send.

Usage: python bench/real_weather.py <weather_dataset_raw.csv.gz> <folder>
"""

import gzip
import sys
from pathlib import Path


def cut_months(source: Path, target: Path) -> list[Path]:
    """Write `weather_2006-04.csv` and so on: the lines as they are and in their order, by the month they are stamped.

    Args:
        source: the gzipped CSV file; its second column is the time stamp with its offset.
        target: an existing folder.
    """
    with gzip.open(source, "rt", encoding="utf-8", newline="") as stream:
        header, *lines = stream
    months: dict[str, list[str]] = {}
    for line in lines:
        months.setdefault(line.split(",", 2)[1][:7], []).append(line)
    files = []
    for month in sorted(months):
        path = target / f"weather_{month}.csv"
        path.write_text(header + "".join(months[month]), encoding="utf-8", newline="")
        files.append(path)
    return files


if __name__ == "__main__":
    print(f"{len(cut_months(Path(sys.argv[1]), Path(sys.argv[2])))} files")
