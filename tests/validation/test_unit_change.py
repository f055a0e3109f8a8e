"""A unit that changes inside a batch is found wherever it begins or ends; nothing that the world does is one."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.validation.unit_change import UnitChange, unit_change

HOUR = timedelta(hours=1)
START = datetime(2021, 1, 1, tzinfo=UTC)


def weather(days: int, seed: int, *, mean: float = 2.0, start: datetime = START) -> pl.DataFrame:
    """Hours of a winter: fronts of some days, nights colder than days."""
    from scipy.signal import lfilter

    rng, hours = np.random.default_rng(seed), np.arange(24 * days)
    fronts = lfilter([1.0], [1.0, -0.98], rng.normal(size=len(hours))) * 0.6
    times = pl.datetime_range(start, start + (24 * days - 1) * HOUR, "1h", time_unit="us", eager=True)
    return pl.DataFrame({"time": times, "value": mean + fronts + 3 * np.sin(2 * np.pi * (hours - 9) / 24)})


USUAL = weather(150, 0)
MONTH = START + timedelta(days=365)


def converted(batch: pl.DataFrame, first: datetime, last: datetime, factor: float, added: float) -> pl.DataFrame:
    wrong = pl.col("time").is_between(first, last, closed="left")
    return batch.with_columns(pl.when(wrong).then(pl.col("value") * factor + added).otherwise("value").alias("value"))


def seen(batch: pl.DataFrame, unit: str = "°C", usual: pl.DataFrame = USUAL) -> UnitChange | None:
    return unit_change(batch, usual, unit, HOUR)


@pytest.mark.parametrize("mean", [-8.0, -4.0, 2.0, 15.0])
@pytest.mark.parametrize(("day", "hour"), [(2, 0), (9, 13), (15, 0), (28, 6)])
def test_unit_change_to_fahrenheit_is_found_wherever_it_begins(mean: float, day: int, hour: int) -> None:
    border = MONTH + timedelta(days=day, hours=hour)
    batch = weather(30, 7, mean=mean, start=MONTH)
    change = seen(converted(batch, border, MONTH + timedelta(days=31), 1.8, 32.0))
    assert change is not None
    assert (change.unit, change.where) == ("°F", "from")
    assert abs(change.at - border) <= timedelta(hours=18)


def test_unit_change_that_ends_is_found_too() -> None:
    change = seen(converted(weather(30, 8, start=MONTH), MONTH, MONTH + timedelta(days=12), 1.8, 32.0))
    assert change is not None
    assert (change.unit, change.where) == ("°F", "before")


def test_unit_change_of_some_days_in_the_middle_is_found() -> None:
    batch = converted(weather(30, 9, start=MONTH), MONTH + timedelta(days=10), MONTH + timedelta(days=14), 1.0, 273.15)
    change = seen(batch)
    assert change is not None
    assert change.unit == "K"


@pytest.mark.parametrize("seed", range(20))
def test_unit_change_sound_months_have_none(seed: int) -> None:
    assert seen(weather(30, 100 + seed, mean=2.0 + seed % 7, start=MONTH)) is None


def test_unit_change_jump_that_no_unit_explains_is_none() -> None:
    batch = converted(weather(30, 10, start=MONTH), MONTH + timedelta(days=15), MONTH + timedelta(days=31), 1.0, 60.0)
    assert seen(batch) is None


def test_unit_change_by_a_factor_that_nature_knows_is_none() -> None:
    """Fog divides a day's visibility by ten, as it did before."""
    foggy = [
        converted(weather(150, 1, mean=14.0), START + day, START + day + timedelta(days=2), 0.1, 0.0)
        for day in (timedelta(days=40),)
    ]
    month = weather(30, 11, mean=14.0, start=MONTH)
    batch = converted(month, MONTH + timedelta(days=5), MONTH + timedelta(days=7), 0.1, 0.0)
    assert seen(batch, "km", foggy[0]) is None
    clear = seen(converted(month, MONTH + timedelta(days=5), MONTH + timedelta(days=7), 1000.0, 0.0), "km", foggy[0])
    assert clear is not None
    assert clear.unit == "m"


@pytest.mark.parametrize("usual", [USUAL.head(0), USUAL.head(60), USUAL.with_columns(value=pl.lit(3.0))])
def test_unit_change_without_a_scale_is_none(usual: pl.DataFrame) -> None:
    batch = converted(weather(30, 12, start=MONTH), MONTH + timedelta(days=15), MONTH + timedelta(days=31), 1.8, 32.0)
    assert seen(batch, usual=usual) is None


def test_unit_change_does_not_read_a_gap_as_a_jump() -> None:
    """Winter, a gap of half a year, summer: the level has moved, and nobody saw it jump."""
    summer = weather(15, 14, mean=38.0, start=MONTH + timedelta(days=180))
    assert seen(pl.concat([weather(15, 13, start=MONTH), summer])) is None


def test_unit_change_among_many_rows_of_each_day_is_found() -> None:
    def dense(rows: pl.DataFrame) -> pl.DataFrame:
        copies = [rows.with_columns(pl.col("time") + timedelta(seconds=second)) for second in range(0, 3600, 60)]
        return pl.concat(copies).sort("time")

    batch = converted(weather(30, 15, start=MONTH), MONTH + timedelta(days=15), MONTH + timedelta(days=31), 1.8, 32.0)
    change = unit_change(dense(batch), dense(USUAL.head(24 * 60)), "°C", timedelta(minutes=1))
    assert change is not None
    assert change.unit == "°F"
