"""All times of a batch off by one offset: told from several columns that agree, and from nothing less."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.validation.rhythm import Offset, common_offset, offset

LIMIT = timedelta(minutes=90)
START = datetime(2021, 6, 1, tzinfo=UTC)


def days(count: int, *, moved: float = 0.0, noise: float = 0.5, seed: int = 0) -> pl.DataFrame:
    hours = np.arange(24 * count)
    times = pl.datetime_range(START, START + timedelta(hours=24 * count - 1), "1h", time_unit="us", eager=True)
    values = np.cos(2 * np.pi * (hours - 13 - moved) / 24) + noise * np.random.default_rng(seed).normal(size=len(hours))
    return pl.DataFrame({"time": times, "value": values})


@pytest.mark.parametrize("hours", [-11.0, -5.0, 0.0, 2.0, 5.0, 9.0])
def test_offset_is_how_far_the_day_has_moved(hours: float) -> None:
    found = offset(days(30, moved=hours, seed=1), days(200))
    assert found is not None
    assert found.hours == pytest.approx(hours, abs=0.3)


@pytest.mark.parametrize("batch", [days(9), days(30).with_columns(value=pl.lit(1.0))])
def test_offset_without_days_is_none(batch: pl.DataFrame) -> None:
    assert offset(batch, days(200)) is None


def of(**hours: float) -> dict[str, Offset]:
    return {name: Offset(moved, 1.2) for name, moved in hours.items()}


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        (of(a=5.0, b=5.4), (5.2, ["a", "b"])),
        (of(a=5.0, b=5.4, c=0.1), (5.2, ["a", "b"])),
        (of(a=-11.9, b=11.9), (12.0, ["a", "b"])),  # both sides of midnight
        (of(a=5.0), None),  # one column alone
        (of(a=5.0, b=-5.0), None),  # no agreement
        (of(a=5.0, b=8.0), None),
        (of(a=1.2, b=1.3), None),  # within the limit
        (of(a=0.0, b=0.1, c=0.0), None),
        ({**of(a=5.0), "b": Offset(5.0, 0.5)}, None),  # b hardly has a day
        ({}, None),
    ],
)
def test_common_offset_is_what_several_columns_agree_on(
    offsets: dict[str, Offset], expected: tuple[float, list[str]] | None
) -> None:
    found = common_offset(offsets, LIMIT)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert abs(found[0]) == pytest.approx(expected[0])
        assert found[1] == expected[1]
