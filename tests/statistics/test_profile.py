import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.errors import DataError, IntegrityError
from almanac.monitoring.checks.drift import assess
from almanac.statistics.profile import MAX_SIZE_BYTES, ReferenceProfile
from almanac.statistics.profiling import build_profile
from tests.monitoring.world import START, TRAINED_UNTIL, WEATHER, champion_files, changed, reference


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    return ReferenceProfile.from_json(champion_files()[1])


def unlabelled(frame: pl.DataFrame) -> dict[str, np.ndarray]:
    unknown = np.full(frame.height, np.nan)
    return {"probabilities": unknown, "labels": unknown}


def test_profile_json_round_trip_is_equal_and_small(profile: ReferenceProfile) -> None:
    text = profile.to_json()
    assert ReferenceProfile.from_json(text) == profile
    assert ReferenceProfile.from_json(text).to_json() == text
    assert len(text) < MAX_SIZE_BYTES


def test_profile_covers_the_rows_it_was_built_from(profile: ReferenceProfile) -> None:
    assert (profile.since, profile.until) == (START, TRAINED_UNTIL)
    assert profile.rows == reference().height


def test_profile_watches_columns_but_not_time_and_key(profile: ReferenceProfile) -> None:
    assert [column.name for column in profile.columns] == [
        "Location",
        "Temperature_C",
        "Apparent_Temperature_C",
        "Humidity",
        "Wind_speed_kmph",
        "Wind_bearing_degrees",
        "Visibility_km",
        "Pressure_millibars",
        "Weather_conditions",
        "prediction",
        "predicted_class",
    ]
    assert profile.left_out == {"Timestamp": "time"}


def test_profile_parts_are_months_of_utc(profile: ReferenceProfile) -> None:
    column = profile.column("Temperature_C")
    assert column is not None
    july = reference().filter(pl.col("Timestamp").dt.month() == 7)["Temperature_C"]
    assert set(column.parts) == {"year", *(f"{month:02d}" for month in range(1, 13))}
    assert column.parts["07"].n == july.len()
    assert column.parts["07"].mean == pytest.approx(july.mean())
    assert column.parts["07"].minimum == july.min()


def test_profile_prediction_holds_out_of_sample_rows_alone(profile: ReferenceProfile) -> None:
    column = profile.column("prediction")
    assert column is not None
    assert column.parts["year"].n == 300 * 24


def test_profile_figures_are_by_season_and_of_the_year(profile: ReferenceProfile) -> None:
    assert profile.figures["year"].rows == 300 * 24 - WEATHER.label.horizon // timedelta(hours=1)
    assert 0.5 < profile.figures["year"].value < 1.0
    assert 0 < profile.figures["year"].standard_error < 0.05
    assert set(profile.figures) == {"year", "winter", "spring", "summer", "autumn"}


def test_profile_without_season_keeps_the_year_alone() -> None:
    model = changed(WEATHER, "monitor.drift", season="none")
    profile = build_profile(model, reference(), **unlabelled(reference()))
    assert {part for column in profile.columns for part in column.parts} == {"year"}
    assert profile.figures == {}


def test_profile_season_of_december_is_winter() -> None:
    model = changed(WEATHER, "monitor.drift", season="season")
    december = reference().filter(pl.col("Timestamp").dt.month() == 12)
    column = build_profile(model, december, **unlabelled(december)).column("Humidity")
    assert column is not None
    assert set(column.parts) == {"year", "winter"}


def test_profile_counts_nulls_and_numbers_that_are_none() -> None:
    frame = (
        reference()
        .head(1000)
        .with_columns(
            Humidity=pl.when(pl.int_range(1000) < 10).then(None).otherwise("Humidity"),
            Visibility_km=pl.when(pl.int_range(1000) < 5).then(float("inf")).otherwise("Visibility_km"),
            Weather_conditions=pl.when(pl.int_range(1000) < 7).then(None).otherwise("Weather_conditions"),
        )
    )
    profile = build_profile(WEATHER, frame, **unlabelled(frame))
    nulls = {column.name: column.parts["year"].nulls for column in profile.columns}
    assert (nulls["Humidity"], nulls["Visibility_km"], nulls["Weather_conditions"]) == (10, 5, 7)


def test_profile_leaves_out_texts_that_differ_from_row_to_row() -> None:
    frame = reference().head(500).with_columns(Location=pl.int_range(500).cast(pl.String))
    left_out = build_profile(WEATHER, frame, **unlabelled(frame)).left_out
    assert left_out == {"Timestamp": "time", "Location": "a text that differs from row to row"}


def test_profile_column_without_any_value_is_kept_as_empty() -> None:
    frame = reference().head(500).with_columns(Humidity=pl.lit(None, dtype=pl.Float64))
    column = build_profile(WEATHER, frame, **unlabelled(frame)).column("Humidity")
    assert column is not None
    assert column.parts["year"].n == 0


def test_profile_of_eighty_columns_by_month_stays_below_one_megabyte() -> None:
    names = [f"c{number}" for number in range(55)]
    texts = [f"t{number}" for number in range(16)]
    declared = {**{name: {"type": "float"} for name in names}, **{name: {"type": "string"} for name in texts}}
    model = changed(WEATHER, "dataset", columns={**WEATHER.dataset.model_dump()["columns"], **declared})
    rng, n = np.random.default_rng(0), reference().height
    frame = reference().with_columns(
        **{name: pl.Series(rng.normal(size=n) * 1e5) for name in names},
        **{name: pl.Series([f"category {number}" for number in rng.integers(0, 90, n)]) for name in texts},
    )
    text = build_profile(model, frame, **unlabelled(frame)).to_json()
    assert len(ReferenceProfile.from_json(text).columns) == 82
    assert len(text) < MAX_SIZE_BYTES


def test_build_profile_of_no_rows_raises() -> None:
    empty = reference().clear()
    with pytest.raises(DataError, match="expected the same number, not 0"):
        build_profile(WEATHER, empty, **unlabelled(empty))


def test_build_profile_unequal_lengths_raises() -> None:
    with pytest.raises(DataError, match=r"got \(10, 9, 10\) rows, probabilities and labels"):
        build_profile(WEATHER, reference().head(10), probabilities=np.zeros(9), labels=np.zeros(10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a reference profile"),
        ("[]", "not a reference profile"),
        ('{"format": 99}', "format 99, this version reads 1; train again"),
        ('{"format": 1}', "is incomplete"),
    ],
)
def test_from_json_refuses_what_it_does_not_know(text: str, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        ReferenceProfile.from_json(text)


def test_from_json_of_a_later_format_is_refused(profile: ReferenceProfile) -> None:
    later = json.dumps({**json.loads(profile.to_json()), "format": 2})
    with pytest.raises(IntegrityError, match="format 2"):
        ReferenceProfile.from_json(later)


def test_profile_times_keep_their_zone(profile: ReferenceProfile) -> None:
    assert ReferenceProfile.from_json(profile.to_json()).until == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("wild", [[1.7e308], [1.7e308, -1.7e308] * 40, [1e-300]])
def test_profile_of_huge_finite_numbers_is_written_and_compared(wild: list[float]) -> None:
    frame = reference().head(2000)
    humidity = frame["Humidity"].to_list()
    frame = frame.with_columns(pl.Series("Humidity", [*wild, *humidity[len(wild) :]]))
    profile = build_profile(WEATHER, frame, **unlabelled(frame))
    assert ReferenceProfile.from_json(profile.to_json()) == profile
    found = {column.name: column for column in assess(WEATHER, profile, frame.tail(500))}
    json.dumps([dict(column.figures) for column in found.values()], allow_nan=False)
