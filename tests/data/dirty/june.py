"""A good file of June 2023, and ways to write it otherwise."""

import polars as pl

from almanac.sample.weather_files import TIMESTAMP_FORMAT
from almanac.sample.weather_generator import generate_month

JUNE = generate_month(2023, 6)
CSV = JUNE.write_csv()
HEADER, *LINES = CSV.splitlines(keepends=True)
UTC_TIME = pl.col("Timestamp").str.to_datetime(TIMESTAMP_FORMAT, time_zone="UTC")

# published and quarantined
ROWS = JUNE.height
ALL = (ROWS, 0)


def csv(*changes: pl.Expr, **writing: object) -> bytes:
    return JUNE.with_columns(*changes).write_csv(**writing).encode()  # type: ignore[call-overload, no-any-return]


def cells(column: str, values: dict[int, str]) -> bytes:
    """The file with other texts in some cells of a column, by row from 0."""
    return csv(JUNE[column].cast(pl.String).scatter(list(values), list(values.values())).alias(column))


def times(shown: str, zone: str = "Europe/Helsinki") -> bytes:
    """The file with its times shown otherwise."""
    return csv(UTC_TIME.dt.convert_time_zone(zone).dt.strftime(shown).alias("Timestamp"))


def half(column: str, since: pl.Expr, before: pl.Expr, at: int = 400) -> bytes:
    """The file with another column from a row on."""
    return csv(pl.when(pl.int_range(pl.len()) >= at).then(since).otherwise(before).alias(column))


def line(at: int, text: str) -> bytes:
    """The file with a text before a record."""
    return "".join([HEADER, *LINES[:at], text, *LINES[at:]]).encode()


def replaced(at: int, text: str) -> bytes:
    """The file with a text in the place of a record."""
    return "".join([HEADER, *LINES[:at], text, *LINES[at + 1 :]]).encode()
