"""Features are pure functions of the rows up to their own hour, joined on time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.features import ColumnFeature, TimeFeature, names_of
from almanac.errors import DataError
from almanac.features.features import build_features, feature_columns, history_needed

START = datetime(2024, 2, 29, tzinfo=UTC)


@pytest.fixture(scope="module")
def weather() -> Model:
    return load_model(Path(MODELS_FOLDER) / "weather.yaml")


def with_features(model: Model, *features: ColumnFeature | TimeFeature) -> Model:
    return model.model_copy(update={"features": features})


def hours(count: int, seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "Timestamp": pl.datetime_range(START, START + timedelta(hours=count - 1), "1h", time_unit="us", eager=True),
            "Temperature_C": draw.normal(10, 5, count),
            "Humidity": draw.uniform(0.1, 1, count),
            "Wind_speed_kmph": draw.uniform(0, 40, count),
            "Wind_bearing_degrees": draw.integers(0, 360, count),
            "Visibility_km": draw.uniform(0, 16, count),
            "Pressure_millibars": draw.normal(1016, 8, count),
            "Weather_conditions": draw.choice(["rain", "snow", "clear"], count),
        }
    )


def test_build_features_names_and_shape_agree(weather: Model) -> None:
    matrix = build_features(weather, hours(10))
    assert matrix.names == names_of(weather.features)
    assert matrix.values.shape == (10, len(matrix.names)) == (10, 15)
    assert matrix.values.dtype == np.float32
    assert matrix.times.dtype == np.dtype("datetime64[us]")
    assert matrix.times[0] == np.datetime64("2024-02-29T00:00:00", "us")


def test_change_is_value_now_minus_value_three_hours_ago(weather: Model) -> None:
    model = with_features(weather, ColumnFeature(column="Temperature_C", change=timedelta(hours=3)))
    frame = hours(6)
    temperature = frame["Temperature_C"].to_numpy()
    got = build_features(model, frame).values[:, 0]
    assert np.isnan(got[:3]).all()
    np.testing.assert_allclose(got[3:], temperature[3:] - temperature[:3], rtol=1e-5)


def test_change_over_a_missing_hour_is_unknown_and_no_other_hour_moves(weather: Model) -> None:
    model = with_features(weather, ColumnFeature(column="Temperature_C", change=timedelta(hours=3)))
    frame = hours(12)
    gap = START + timedelta(hours=4)
    whole = build_features(model, frame).values[:, 0]
    holed = build_features(model, frame.filter(pl.col("Timestamp") != gap)).values[:, 0]
    expected = np.delete(whole, 4)
    expected[6] = np.nan  # hour 7, whose hour 4 is missing
    np.testing.assert_array_equal(holed, expected)


def test_cycle_and_time_lie_on_the_unit_circle(weather: Model) -> None:
    model = with_features(
        weather, ColumnFeature(column="Wind_bearing_degrees", cycle=360), TimeFeature(time="hour_of_day")
    )
    frame = hours(24).with_columns(Wind_bearing_degrees=pl.Series([0, 90, 180, 270, 360, None] * 4))
    values = build_features(model, frame).values
    np.testing.assert_allclose(values[:5, 0], [0, 1, 0, -1, 0], atol=1e-6)
    np.testing.assert_allclose(values[:5, 1], [1, 0, -1, 0, 1], atol=1e-6)
    assert np.isnan(values[5, :2]).all()
    np.testing.assert_allclose(values[6, 2:], [1, 0], atol=1e-6)  # 06:00 is a quarter of the day


def test_day_of_year_starts_at_the_new_year_of_utc(weather: Model) -> None:
    model = with_features(weather, TimeFeature(time="day_of_year"))
    frame = hours(1).with_columns(pl.lit(datetime(2024, 1, 1, tzinfo=UTC)).dt.cast_time_unit("us").alias("Timestamp"))
    np.testing.assert_allclose(build_features(model, frame).values[0], [0, 1], atol=1e-6)


def test_time_of_day_counts_minutes_and_seconds_and_the_week_begins_on_monday(weather: Model) -> None:
    """What has passed, as turns of the circle; 45 minutes in seconds are more than polars' own type for them holds."""
    model = with_features(weather, TimeFeature(time="hour_of_day"), TimeFeature(time="day_of_week"))
    moment = datetime(2024, 1, 3, 18, 45, 36, tzinfo=UTC)  # a Wednesday
    frame = hours(1).with_columns(pl.lit(moment).dt.cast_time_unit("us").alias("Timestamp"))
    day = (18 * 3600 + 45 * 60 + 36) / 86_400
    turns = np.array([day, (2 + day) / 7]) * 2 * np.pi
    expected = np.column_stack([np.sin(turns), np.cos(turns)]).ravel()
    np.testing.assert_allclose(build_features(model, frame).values[0], expected, atol=1e-6)


def test_equals_is_one_zero_or_unknown(weather: Model) -> None:
    model = with_features(weather, ColumnFeature(column="Weather_conditions", equals="rain"))
    frame = hours(3).with_columns(Weather_conditions=pl.Series(["rain", "clear", None]))
    np.testing.assert_array_equal(build_features(model, frame).values[:, 0], [1, 0, np.nan])


def test_infinite_value_is_unknown(weather: Model) -> None:
    model = with_features(weather, ColumnFeature(column="Temperature_C"))
    frame = hours(2).with_columns(Temperature_C=pl.Series([float("inf"), 1.0]))
    np.testing.assert_array_equal(build_features(model, frame).values[:, 0], [np.nan, 1])


@pytest.mark.parametrize("seed", range(20))
def test_no_row_sees_its_future(weather: Model, seed: int) -> None:
    draw = np.random.default_rng(seed)
    frame = hours(60, seed)
    cut = int(draw.integers(5, 55))
    other = hours(60, seed + 1000)[cut:]
    later = other.with_columns(frame["Timestamp"][cut:].shuffle(seed=seed)).sample(
        fraction=float(draw.uniform(0.2, 1)), shuffle=True, seed=seed
    )
    before = build_features(weather, frame).values[:cut]
    after = build_features(weather, pl.concat([frame[:cut], later])).values[:cut]
    np.testing.assert_array_equal(before, after)


def test_one_row_alone_with_its_history_has_the_same_features(weather: Model) -> None:
    frame = hours(30)
    whole = build_features(weather, frame).values
    window = frame.filter(pl.col("Timestamp") >= START + timedelta(hours=20) - history_needed(weather))
    np.testing.assert_array_equal(build_features(weather, window).values[-10:], whole[20:])


def test_history_needed_is_the_longest_look_back(weather: Model) -> None:
    assert history_needed(weather) == timedelta(hours=3)
    assert history_needed(with_features(weather, TimeFeature(time="hour_of_day"))) == timedelta(0)


def test_feature_columns_leave_out_what_no_feature_names(weather: Model) -> None:
    assert feature_columns(weather)[0] == "Timestamp"
    assert "Apparent_Temperature_C" not in feature_columns(weather)


def test_empty_frame_gives_no_rows(weather: Model) -> None:
    assert build_features(weather, hours(1)[:0]).values.shape == (0, 15)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.drop("Humidity"), r"columns \['Humidity'\] are missing"),
        (lambda frame: frame.with_columns(pl.col("Timestamp").dt.replace_time_zone(None)), "expected times in UTC"),
        (lambda frame: pl.concat([frame, frame[:2]]), "2 rows have the key of another row"),
    ],
)
def test_build_features_of_a_wrong_frame_refuses(weather: Model, spoil, message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_features(weather, spoil(hours(5)))
