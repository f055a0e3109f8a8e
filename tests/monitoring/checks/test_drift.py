from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.monitoring.checks.drift import ColumnDrift, Status, assess
from almanac.statistics.profile import ReferenceProfile
from almanac.statistics.profiling import build_profile
from tests.monitoring.world import WEATHER, changed

START = datetime(2022, 1, 1, tzinfo=UTC)
MODEL = changed(WEATHER, "monitor.drift", season="none", false_discovery_rate=0.01)
RNG = np.random.default_rng(11)
N = 24 * 400
WINDOW = 24 * 30


def rows(count: int, start: datetime = START, seed: int = 0) -> pl.DataFrame:
    """Independent rows, in which only what a test changes has changed."""
    rng = np.random.default_rng(seed)
    times = pl.datetime_range(start, start + timedelta(hours=count - 1), "1h", time_unit="us", eager=True)
    return pl.DataFrame(
        {
            "Timestamp": times,
            "Location": ["port"] * count,
            "Temperature_C": rng.normal(10, 5, count),
            "Humidity": np.round(rng.beta(5, 2, count), 2),
            "Wind_speed_kmph": np.where(rng.random(count) < 0.5, 0.0, rng.gamma(2, 4, count)),
            "Pressure_millibars": rng.normal(1015, 8, count),
            "Weather_conditions": rng.choice(["clear", "rain", "snow"], count, p=[0.7, 0.25, 0.05]),
            "prediction": rng.random(count),
        }
    )


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    frame = rows(N)
    return build_profile(MODEL, frame, probabilities=frame["prediction"].to_numpy(), labels=np.full(N, np.nan))


@pytest.fixture
def window() -> pl.DataFrame:
    return rows(WINDOW, START + timedelta(hours=N), seed=1)


def found(profile: ReferenceProfile, frame: pl.DataFrame) -> dict[str, ColumnDrift]:
    return {column.name: column for column in assess(MODEL, profile, frame)}


def test_assess_same_distribution_is_quiet(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    assert {column.status for column in assess(MODEL, profile, window)} == {Status.QUIET}


def test_assess_shifted_number_is_drifted_with_figures_and_limits(
    profile: ReferenceProfile, window: pl.DataFrame
) -> None:
    drifted = found(profile, window.with_columns(pl.col("Temperature_C") + 2.5))
    assert [name for name, column in drifted.items() if column.status is Status.DRIFTED] == ["Temperature_C"]
    assert drifted["Temperature_C"].reasons[0].startswith("KS distance 0.")
    assert "limit 0.1 (corrected p = " in drifted["Temperature_C"].reasons[0]
    assert drifted["Temperature_C"].figures["wasserstein_sd"] == pytest.approx(0.5, abs=0.1)


def test_assess_significant_but_small_is_quiet(profile: ReferenceProfile) -> None:
    many = rows(24 * 300, START + timedelta(hours=N), seed=2).with_columns(pl.col("Temperature_C") + 0.6)
    column = found(profile, many)["Temperature_C"]
    assert column.figures["q_distribution"] < 0.01
    assert column.status is Status.QUIET


def test_assess_large_but_not_significant_is_quiet(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    """Rows that say as little as a dozen independent ones cannot prove a distance of .15."""
    dependent = replace(profile, columns=tuple(replace(c, design_effect=60.0) for c in profile.columns))
    column = found(dependent, window.with_columns(pl.col("Temperature_C") + 2.0))["Temperature_C"]
    assert column.figures["ks"] > 0.10
    assert column.status is Status.QUIET


def test_assess_a_design_effect_that_is_unknown_is_the_largest_of_the_others(
    profile: ReferenceProfile, window: pl.DataFrame
) -> None:
    """The cautious one, for numbers and for texts."""
    wet = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("rain")).otherwise("Weather_conditions")
    moved = window.with_columns(pl.col("Temperature_C") + 2.0, Weather_conditions=wet)
    names = ("Temperature_C", "Weather_conditions")

    def statuses(other_effect: float) -> set[Status]:
        effects = {column.name: None if column.name in names else other_effect for column in profile.columns}
        columns = tuple(replace(column, design_effect=effects[column.name]) for column in profile.columns)
        return {
            column.status for name, column in found(replace(profile, columns=columns), moved).items() if name in names
        }

    assert statuses(1.0) == {Status.DRIFTED}
    assert statuses(60.0) == {Status.QUIET}


def test_assess_distance_of_exactly_the_limit_is_far_enough(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    moved = window.with_columns(pl.col("Temperature_C") + 2.5)
    distance = found(profile, moved)["Temperature_C"].figures["ks_displaced"]

    def status(limit: float) -> Status:
        model = changed(MODEL, "monitor.drift", min_ks=limit, min_wasserstein=9.0)
        return {column.name: column for column in assess(model, profile, moved)}["Temperature_C"].status

    assert status(distance) is Status.DRIFTED
    assert status(float(np.nextafter(distance, 1))) is Status.QUIET


def test_assess_categories_move_is_drifted(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    wet = pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit("rain")).otherwise("Weather_conditions")
    column = found(profile, window.with_columns(Weather_conditions=wet))["Weather_conditions"]
    assert column.status is Status.DRIFTED
    assert "total variation" in column.reasons[0]


def test_assess_new_category_in_constant_text_is_drifted(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    moved = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("other port")).otherwise("Location")
    column = found(profile, window.with_columns(Location=moved))["Location"]
    assert column.status is Status.DRIFTED
    assert (column.figures["new_categories"], column.figures["new_share"]) == (1.0, 0.2)


def test_assess_new_nulls_are_drift(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    """Most libraries drop nulls silently and see nothing."""
    holes = pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise("Humidity")
    column = found(profile, window.with_columns(Humidity=holes))["Humidity"]
    assert column.status is Status.DRIFTED
    assert column.reasons[0].startswith("change of the share of nulls 0.1, limit 0.05")


def test_assess_column_of_nulls_alone_is_never_quiet(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    column = found(profile, window.with_columns(Humidity=pl.lit(None, dtype=pl.Float64)))["Humidity"]
    assert column.status is Status.DRIFTED


def test_assess_unit_change_is_drifted(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    column = found(profile, window.with_columns(pl.col("Temperature_C") * 1.8 + 32))["Temperature_C"]
    assert column.status is Status.DRIFTED
    assert column.figures["outside_range"] > 0.5


@pytest.mark.parametrize("stuck_rows", [60, WINDOW])
def test_assess_repeated_value_is_stuck_not_drifted(
    profile: ReferenceProfile, window: pl.DataFrame, stuck_rows: int
) -> None:
    stuck = pl.when(pl.int_range(pl.len()) < stuck_rows).then(pl.col("Pressure_millibars").first())
    column = found(profile, window.with_columns(stuck.otherwise("Pressure_millibars").alias("Pressure_millibars")))
    assert column["Pressure_millibars"].status is Status.STUCK
    assert f"{stuck_rows} rows in a row with one value" in column["Pressure_millibars"].reasons[0]


def test_assess_flag_that_rests_is_not_stuck(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    flag = (RNG.random(N) < 0.01).astype(float)
    frame = rows(N).with_columns(Humidity=pl.Series(flag))
    unknown = np.full(N, np.nan)
    resting = build_profile(MODEL, frame, probabilities=unknown, labels=unknown)
    assert found(resting, window.with_columns(Humidity=pl.lit(0.0)))["Humidity"].status is Status.QUIET


def test_assess_zero_inflated_column_with_its_usual_runs_is_quiet(
    profile: ReferenceProfile, window: pl.DataFrame
) -> None:
    assert found(profile, window)["Wind_speed_kmph"].status is Status.QUIET


def test_assess_few_rows_are_insufficient_never_quiet(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    few = found(profile, window.head(499).with_columns(pl.col("Temperature_C") + 50))
    assert {column.status for column in few.values()} == {Status.INSUFFICIENT}
    assert few["Humidity"].reasons == ("499 values against 9600 of the reference, at least 500 are needed",)


def test_assess_empty_window_is_insufficient(profile: ReferenceProfile, window: pl.DataFrame) -> None:
    assert {column.status for column in assess(MODEL, profile, window.clear())} == {Status.INSUFFICIENT}


def test_assess_before_anything_was_scored_prediction_is_insufficient(
    profile: ReferenceProfile, window: pl.DataFrame
) -> None:
    columns = found(profile, window.drop("prediction"))
    assert columns["prediction"].status is Status.INSUFFICIENT
    assert columns["Humidity"].status is Status.QUIET


def test_assess_month_unknown_to_the_reference_is_insufficient(window: pl.DataFrame) -> None:
    model = changed(MODEL, "monitor.drift", season="month")
    frame = rows(24 * 31)  # January
    profile = build_profile(model, frame, probabilities=np.full(744, np.nan), labels=np.full(744, np.nan))
    statuses = {column.status for column in assess(model, profile, window)}  # February
    assert statuses == {Status.INSUFFICIENT}


def test_assess_window_across_months_meets_a_mixture_of_both() -> None:
    """January lies around 0, February around 20: half of each is no drift, a whole January in February is."""
    model = changed(MODEL, "monitor.drift", season="month")

    def seasonal(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("Temperature_C") + 20 * (pl.col("Timestamp").dt.month() == 2))

    frame = seasonal(rows(24 * 59))
    unknown = np.full(frame.height, np.nan)
    profile = build_profile(model, frame, probabilities=unknown, labels=unknown)
    across = seasonal(rows(24 * 30, datetime(2023, 1, 17, tzinfo=UTC), seed=5))
    cold = across.with_columns(pl.col("Temperature_C") - 20 * (pl.col("Timestamp").dt.month() == 2))
    by_name = {c.name: c for c in assess(model, profile, across)}
    assert by_name["Temperature_C"].status is Status.QUIET
    assert {c.name: c for c in assess(model, profile, cold)}["Temperature_C"].status is Status.DRIFTED


def test_assess_share_of_yes_that_moves_is_reported_of_the_classes_too(
    profile: ReferenceProfile, window: pl.DataFrame
) -> None:
    """Scores just over the threshold instead of just below it: hardly another score, and another answer."""
    assert found(profile, window)["predicted_class"].status is Status.QUIET
    predicted = window["prediction"]
    nudged = window.with_columns(
        pl.when((predicted > 0.3) & (predicted < 0.5)).then(0.55).otherwise(predicted).alias("prediction")
    )
    column = found(profile, nudged)["predicted_class"]
    assert column.status is Status.DRIFTED
    assert column.figures["total_variation"] == pytest.approx(0.2, abs=0.05)


def test_assess_rows_that_were_not_scored_are_no_nulls_of_scores_or_classes(
    profile: ReferenceProfile, window: pl.DataFrame
) -> None:
    half = window.with_columns(pl.when(pl.int_range(pl.len()) % 4 > 0).then("prediction").alias("prediction"))
    columns = found(profile, half)
    assert {columns[name].status for name in ("prediction", "predicted_class")} == {Status.QUIET}
    assert columns["predicted_class"].rows == WINDOW * 3 // 4
