"""What few effective rows allow to be said: neither quiet, where nothing could be seen, nor drifted by a wrong test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.monitoring.checks.drift import ColumnDrift, Status, assess
from almanac.statistics.evidence import weigh
from almanac.statistics.measures import kolmogorov_smirnov_p, smallest_significant
from almanac.statistics.profile import ReferenceProfile
from almanac.statistics.profiling import build_profile
from tests.monitoring.world import WEATHER, changed

START = datetime(2022, 1, 1, tzinfo=UTC)
MODEL = changed(WEATHER, "monitor.drift", season="none", false_discovery_rate=0.01)
LIMITS = MODEL.monitor.drift
REFERENCE, WINDOW = 24 * 600, 1440


def rows(count: int, seed: int, *, shift: float = 0.0, rain: float = 0.3) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    times = pl.datetime_range(START, START + timedelta(hours=count - 1), "1h", time_unit="us", eager=True)
    return pl.DataFrame(
        {
            "Timestamp": times,
            "Temperature_C": rng.normal(10 + 5 * shift, 5, count),
            "Humidity": rng.normal(0.5, 0.1, count),
            "Weather_conditions": rng.choice(["rain", "clear"], count, p=[rain, 1 - rain]),
            "prediction": rng.random(count),
        }
    )


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    frame = rows(REFERENCE, 0)
    unknown = np.full(REFERENCE, np.nan)
    return build_profile(MODEL, frame, probabilities=frame["prediction"].to_numpy(), labels=unknown)


def found(profile: ReferenceProfile, effect: float | None, frame: pl.DataFrame) -> dict[str, ColumnDrift]:
    dependent = replace(profile, columns=tuple(replace(one, design_effect=effect) for one in profile.columns))
    return {column.name: column for column in assess(MODEL, dependent, frame)}


@pytest.mark.parametrize(
    ("effect", "shift", "status", "large"),
    [
        (1.0, 0.0, Status.QUIET, False),
        (1.0, 4.0, Status.DRIFTED, False),
        (130.0, 0.0, Status.QUIET, False),  # 11 effective rows are enough
        (160.0, 0.0, Status.INSUFFICIENT, False),  # 9 are not
        (160.0, 4.0, Status.DRIFTED, False),  # but what is significant in 9 is drift
        (400.0, 0.0, Status.INSUFFICIENT, False),
        (400.0, 4.0, Status.INSUFFICIENT, True),  # 3.6: no p-value holds
        (5000.0, 4.0, Status.INSUFFICIENT, True),
    ],
)
def test_assess_says_no_more_than_effective_rows_allow(
    profile: ReferenceProfile, effect: float, shift: float, status: Status, large: bool
) -> None:
    column = found(profile, effect, rows(WINDOW, 1, shift=shift))["Temperature_C"]
    assert (column.status, column.large) == (status, large)


def test_assess_large_shift_that_cannot_be_tested_says_so_with_figures(profile: ReferenceProfile) -> None:
    column = found(profile, 400.0, rows(WINDOW, 1, shift=4.0))["Temperature_C"]
    assert column.reasons[0].startswith(
        "large, cannot be tested: 3.6 effective rows (of 1,440) against 36.0 of the reference, at least 10 are needed"
        " (distance 0.9"
    )
    assert "PSI " in column.reasons[0]
    assert "q_distribution" not in column.figures


def test_assess_text_with_few_effective_rows_is_insufficient_and_large_where_it_moved(
    profile: ReferenceProfile,
) -> None:
    quiet = found(profile, 400.0, rows(WINDOW, 1))["Weather_conditions"]
    moved = found(profile, 400.0, rows(WINDOW, 1, rain=0.99))["Weather_conditions"]
    assert [(one.status, one.large) for one in (quiet, moved)] == [
        (Status.INSUFFICIENT, False),
        (Status.INSUFFICIENT, True),
    ]


def test_assess_dependence_that_nobody_measured_is_insufficient(profile: ReferenceProfile) -> None:
    column = found(profile, None, rows(WINDOW, 1, shift=4.0))["Temperature_C"]
    assert column.status is Status.INSUFFICIENT
    assert "could not be measured" in column.reasons[0]


def test_assess_stuck_column_with_few_effective_rows_is_stuck(profile: ReferenceProfile) -> None:
    frame = rows(WINDOW, 1).with_columns(Temperature_C=pl.lit(10.0))
    assert found(profile, 400.0, frame)["Temperature_C"].status is Status.STUCK


def test_assess_nulls_of_few_effective_rows_are_drift_all_the_same(profile: ReferenceProfile) -> None:
    frame = rows(WINDOW, 1).with_columns(Humidity=pl.lit(None, dtype=pl.Float64))
    assert found(profile, 400.0, frame)["Humidity"].status is Status.DRIFTED


def test_assess_quiet_column_says_what_it_could_have_seen(profile: ReferenceProfile) -> None:
    few = found(profile, 130.0, rows(WINDOW, 1))["Temperature_C"].figures["smallest_seen"]
    many = found(profile, 1.0, rows(WINDOW, 1))["Temperature_C"].figures["smallest_seen"]
    assert few > 0.5
    assert many == LIMITS.min_ks


@pytest.mark.parametrize(("n", "m"), [(400.0, 11.0), (11.0, 400.0), (1e4, 1e3)])
def test_smallest_significant_is_where_the_p_value_crosses_its_level(n: float, m: float) -> None:
    distance = smallest_significant(0.01, n, m)
    assert kolmogorov_smirnov_p(distance * 1.001, n, m) < 0.01 < kolmogorov_smirnov_p(distance * 0.999, n, m)


def test_smallest_significant_of_hardly_any_rows_is_not_beyond_one() -> None:
    assert smallest_significant(0.01, 1.0, 1.0) == 1.0


@pytest.mark.parametrize(("n", "m"), [(3.0, 400.0), (400.0, 3.0)])
def test_weigh_few_rows_on_either_side_are_not_enough(n: float, m: float) -> None:
    weight = weigh(0.2, n, m, rows=720, limits=LIMITS)
    assert (weight.enough, weight.testable, weight.large) == (False, False, False)
