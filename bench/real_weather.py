"""Cuts the raw weather file into the monthly files that a port would send.

python bench/real_weather.py <weather_dataset_raw.csv.gz> <folder>
"""

import argparse
import gzip
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    print(f"{len(cut_months(asked.source, asked.folder))} files")
