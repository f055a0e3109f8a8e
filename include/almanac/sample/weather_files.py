"""Writes the synthetic weather as the CSV files that a port would send."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from almanac.sample.weather_generator import TODAY, generate_month

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from almanac.sample.climate import Climate

TIMESTAMP_FORMAT = "%Y-%m-%d %H:%M:%S%:z"


def write_csv(frame: pl.DataFrame, path: Path) -> Path:
    """Write a UTF-8 CSV file that appears under its name only when it is whole.

    Args:
        frame: what to write; numbers are written with the digits that they have.
        path: missing folders are made; a file that is there is replaced.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        frame.write_csv(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def write_month(frame: pl.DataFrame, directory: Path) -> Path:
    """Write the hours of one month, faulty or not, as `weather_2021-01.csv`; the month is that of the rows in UTC.

    Raises:
        ValueError: the rows are none, or of more than one month.
    """
    import polars as pl

    time = pl.col("Timestamp").str.to_datetime(TIMESTAMP_FORMAT, time_zone="UTC")
    months = frame.select(time.dt.strftime("%Y-%m").unique().sort()).to_series().to_list()
    if len(months) != 1:
        raise ValueError(f"write_month: got rows of the months {months}, expected exactly one month in UTC")
    return write_csv(frame, directory / f"weather_{months[0]}.csv")


def monthly_files(
    start: datetime, months: int, directory: Path, *, seed: int = 2026, climate: Climate = TODAY
) -> list[Path]:
    """Write one file per month, in the order of time.

    Args:
        start: the beginning of the first month, in UTC.
        months: how many files.
        directory: where to.
        seed: as for `generate_hours`.
        climate: as for `generate_hours`.

    Raises:
        ValueError: `start` is not the beginning of a month in UTC.
    """
    utc = start.astimezone(UTC)
    if start.tzinfo is None or utc != datetime(utc.year, utc.month, 1, tzinfo=UTC):
        raise ValueError(f"monthly_files: start: got {start}, expected the beginning of a month in UTC")
    counted = (utc.year * 12 + utc.month - 1 + later for later in range(months))
    return [write_month(generate_month(n // 12, n % 12 + 1, seed=seed, climate=climate), directory) for n in counted]
