"""Faults on demand: what goes wrong with real weather files, done to synthetic ones.

Every function takes a frame as `generate_hours` makes it and returns a new one; the frame given stays as it was.
A changed climate is not a fault of the data: it is `CHANGED_CLIMATE` of the generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from almanac.sample.weather_files import TIMESTAMP_FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

BAD_VALUES = {
    "impossible_pressure": ("Pressure_millibars", ("0.0", "-1.0", "101.3", "9999.0")),
    "humidity_above_1": ("Humidity", ("1.2", "7.3", "88.0")),
    "unknown_category": ("Weather_conditions", ("hail", "sunny", "Rain ", "7")),
    "unparseable_number": ("Temperature_C", ("12,5", "1O.4", "err-7", "3.4.5")),
}
"""Kind of fault -> the column it strikes and the texts it leaves there. No text reads as a missing value."""

OTHER_UNITS = {
    "Temperature_C": (1.8, 32.0, "°F"),
    "Apparent_Temperature_C": (1.8, 32.0, "°F"),
    "Humidity": (100.0, 0.0, "%"),
    "Wind_speed_kmph": (1 / 3.6, 0.0, "m/s"),
    "Visibility_km": (0.621371, 0.0, "miles"),
    "Pressure_millibars": (0.1, 0.0, "kPa"),
}
"""Column -> (factor, then added, name) of the unit that a new instrument might report."""

DRIFT_LIMITS = {
    "Temperature_C": (-60.0, 60.0),
    "Apparent_Temperature_C": (-90.0, 70.0),
    "Humidity": (0.0, 1.0),
    "Wind_speed_kmph": (0.0, 250.0),
    "Visibility_km": (0.0, 50.0),
    "Pressure_millibars": (870.0, 1085.0),
}
"""Column -> the range its sensor can show: a drifting sensor stays plausible, that is what makes it hard to see."""


def with_bad_rows(frame: pl.DataFrame, n: int = 30, *, seed: int = 2026) -> tuple[pl.DataFrame, dict[str, int]]:
    """Spoil one value in each of `n` different rows; every kind of `BAD_VALUES` in turn.

    The columns struck become text, as they stand in a CSV file.

    Returns:
        The frame, and how many rows were given each kind of fault; the counts sum to `n`.

    Raises:
        ValueError: `n` is negative or above the number of rows.
    """
    import numpy as np
    import polars as pl

    if not 0 <= n <= frame.height:
        raise ValueError(f"with_bad_rows: n: got {n}, expected 0 to {frame.height}, the number of rows")
    rng = np.random.default_rng(seed)
    rows = rng.choice(frame.height, size=n, replace=False)
    counts = {}
    for turn, (kind, (column, texts)) in enumerate(BAD_VALUES.items()):
        struck = rows[turn :: len(BAD_VALUES)]
        left = pl.Series(rng.choice(texts, size=len(struck)).tolist(), dtype=pl.String)
        values = frame[column].cast(pl.String).scatter(struck.tolist(), left)
        frame = frame.with_columns(values.alias(column))
        counts[kind] = len(struck)
    return frame, counts


def without_column(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Leave one column out.

    Raises:
        ValueError: there is no such column.
    """
    return frame.drop(_known(name, frame.columns, "without_column: name"))


def with_unit_change(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Report one column in the other unit of `OTHER_UNITS` (°F, %, m/s, miles, kPa) under its old name.

    Raises:
        ValueError: no other unit is known for that column.
    """
    import polars as pl

    factor, added, _ = OTHER_UNITS[_known(column, OTHER_UNITS, "with_unit_change: column")]
    return frame.with_columns((pl.col(column) * factor + added).round(2))


def with_stuck_sensor(frame: pl.DataFrame, column: str, start_row: int, rows: int) -> pl.DataFrame:
    """Repeat the value of `start_row` for `rows` rows, itself the first; the end of the frame may come before.

    Raises:
        ValueError: there is no such column or row, or `rows` is negative.
    """
    import polars as pl

    _known(column, frame.columns, "with_stuck_sensor: column")
    if not 0 <= start_row < frame.height or rows < 0:
        raise ValueError(
            f"with_stuck_sensor: got start_row {start_row} and rows {rows}, expected a row from 0 to "
            f"{frame.height - 1} and 0 or more rows"
        )
    stuck = pl.int_range(pl.len()).is_between(start_row, start_row + rows - 1)
    return frame.with_columns(pl.when(stuck).then(pl.col(column).get(start_row)).otherwise(column).alias(column))


def with_drifting_sensor(frame: pl.DataFrame, column: str, per_day: float) -> pl.DataFrame:
    """Add an error that grows by `per_day` each day from the first row on, in the column's unit.

    The value stays inside `DRIFT_LIMITS`.

    Raises:
        ValueError: no limits are known for that column.
    """
    import polars as pl

    low, high = DRIFT_LIMITS[_known(column, DRIFT_LIMITS, "with_drifting_sensor: column")]
    time = pl.col("Timestamp").str.to_datetime(TIMESTAMP_FORMAT, time_zone="UTC")
    days = (time - time.first()).dt.total_seconds() / 86_400
    return frame.with_columns((pl.col(column) + per_day * days).clip(low, high).round(2))


def _known(name: str, names: Iterable[str], where: str) -> str:
    expected = tuple(names)
    if name not in expected:
        raise ValueError(f"{where}: got {name!r}, expected one of {', '.join(expected)}")
    return name
