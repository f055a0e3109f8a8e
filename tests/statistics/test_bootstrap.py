"""The interval of a gain is as wide as whole days allow, not as single hours would."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.statistics.bootstrap import paired_interval
from almanac.statistics.metrics import UndefinedMetricError

DAYS = 40
SETTINGS = {"resamples": 400, "confidence": 0.95, "seed": 5}


def rows(per_day: int) -> pl.DataFrame:
    """Labels all 1; the answer is right on whole days, or wrong on whole days."""
    right = np.random.default_rng(2).random(DAYS) < 0.7
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + timedelta(days=day, hours=hour) for day in range(DAYS) for hour in range(per_day)]
    answer = np.repeat(np.where(right, 0.9, 0.1), per_day)
    return pl.DataFrame({"time": times, "label": np.ones(len(answer), dtype=np.int8), "answer": answer})


def test_paired_interval_of_hours_that_repeat_their_day_is_that_of_the_days() -> None:
    hourly, daily = rows(24), rows(1)
    of_hours = paired_interval("accuracy", hourly, np.full(hourly.height, 0.1), **SETTINGS)
    of_days = paired_interval("accuracy", daily, np.full(daily.height, 0.1), **SETTINGS)
    assert (of_hours.low, of_hours.high) == (of_days.low, of_days.high)
    # Wald's interval of a share of 40 days; of 960 independent hours it would be .06 wide
    share = float((daily["answer"] > 0.5).mean())
    assert of_hours.high - of_hours.low > 1.5 * 1.96 * (share * (1 - share) / DAYS) ** 0.5


def test_paired_interval_is_the_percentile_interval_of_the_drawn_days() -> None:
    frame = rows(3)
    right = (frame["answer"].to_numpy()[::3] > 0.5).astype(float)
    draw = np.random.default_rng(SETTINGS["seed"])
    shares = np.sort([right[draw.integers(DAYS, size=DAYS)].mean() for _ in range(400)])
    found = paired_interval("accuracy", frame, np.full(frame.height, 0.1), **SETTINGS)
    assert found.observed == pytest.approx(right.mean())
    # a twentieth of 400 lies outside, half of it on each side; numpy interpolates between neighbours
    assert shares[9] <= found.low <= shares[10]
    assert shares[389] <= found.high <= shares[390]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(shares, [2.5, 97.5])))


def test_paired_interval_of_rows_in_any_order_draws_the_same_days() -> None:
    frame = rows(4)
    reference = np.full(frame.height, 0.1)
    assert paired_interval("accuracy", frame.sample(fraction=1, shuffle=True, seed=3), reference, **SETTINGS) == (
        paired_interval("accuracy", frame, reference, **SETTINGS)
    )


def test_paired_interval_of_other_rows_is_an_error() -> None:
    with pytest.raises(UndefinedMetricError, match="accuracy: 40 rows, but 39 of the other model"):
        paired_interval("accuracy", rows(1), np.full(39, 0.1), **SETTINGS)
