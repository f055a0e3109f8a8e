"""What can be declared of a feature, and that no form of it sees its row's future."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.features import names_of
from almanac.features.features import build_features, feature_columns, history_needed

START = datetime(2024, 3, 29, tzinfo=UTC)
TAKES = ("mean", "min", "max", "sum", "std", "count")
TIMES = ("hour_of_day", "day_of_week", "day_of_year", "weekend")
EVERY_FORM = [
    {"column": "Temperature_C"},
    {"column": "Temperature_C", "change": "3h"},
    {"column": "Temperature_C", "lag": "24h"},
    {"column": "Temperature_C", "missing": True},
    {"column": "Wind_bearing_degrees", "cycle": 360},
    {"column": "Weather_conditions", "equals": "rain"},
    {"column": "Weather_conditions", "one_of": ["snow", "clear"]},
    *(
        {"column": "Temperature_C", "over": "6h", "take": take}
        for take in ("mean", "min", "max", "sum", "std", "count")
    ),
    {"column": "Weather_conditions", "encode": "target"},
    {"text": "Weather_conditions", "hash": 16, "ngrams": [1, 2], "by": "char"},
    {"column": "Humidity", "over": "12h", "take": "mean", "per": ["Weather_conditions"]},
    *(
        {"time": time, "timezone": "Europe/Helsinki"}
        for time in ("hour_of_day", "day_of_week", "day_of_year", "weekend")
    ),
]


@pytest.fixture(scope="module")
def declare():
    """`declare({...}, ...)`: the weather model with these features."""
    values = load_model(MODELS_FOLDER / "weather.yaml").model_dump()
    values["dataset"]["columns"]["Due"] = {"type": "timestamp"}

    def declared(*features) -> Model:
        return Model.model_validate({**values, "features": features})

    return declared


@pytest.fixture(scope="module")
def every(declare) -> Model:
    return declare(*EVERY_FORM)


def hours(count: int, seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    temperature = draw.normal(10, 5, count)
    return pl.DataFrame(
        {
            "Timestamp": pl.datetime_range(START, START + timedelta(hours=count - 1), "1h", time_unit="us", eager=True),
            "Temperature_C": pl.Series(
                [None if draw.random() < 0.1 else value for value in temperature], dtype=pl.Float64
            ),
            "Humidity": draw.uniform(0.1, 1, count),
            "Wind_bearing_degrees": draw.integers(0, 360, count),
            "Weather_conditions": draw.choice(["rain", "snow", "clear"], count),
        }
    )


def column(model: Model, frame: pl.DataFrame, at: int = 0) -> np.ndarray:
    return build_features(model, frame).values[:, at]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), cut=st.integers(1, 59), seed=st.integers(0, 10_000))
def test_no_form_of_a_feature_sees_its_rows_future(every, data, cut: int, seed: int) -> None:
    frame = hours(60, seed)
    later = hours(60, seed + 1)[cut:].with_columns(
        pl.Series(
            "Timestamp", data.draw(st.permutations(frame["Timestamp"][cut:].to_list())), dtype=pl.Datetime("us", "UTC")
        )
    )
    kept = data.draw(st.integers(0, later.height))
    before = build_features(every, frame).values[:cut]
    after = build_features(every, pl.concat([frame[:cut], later[:kept]])).values[:cut]
    np.testing.assert_array_equal(before, after)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), start=st.integers(24, 70))
def test_one_row_with_its_history_alone_has_the_same_features_to_the_last_bit(every, seed: int, start: int) -> None:
    frame = hours(80, seed)
    window = frame.filter(pl.col("Timestamp") >= START + timedelta(hours=start) - history_needed(every))
    whole = build_features(every, frame).values[start:]
    np.testing.assert_array_equal(build_features(every, window).values[-len(whole) :], whole)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_features_do_not_depend_on_the_order_of_rows(every, seed: int) -> None:
    frame = hours(60, seed).with_row_index()
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    values = build_features(every, shuffled).values[np.argsort(shuffled["index"].to_numpy())]
    np.testing.assert_array_equal(values, build_features(every, frame).values)


def test_every_form_names_its_columns(every) -> None:
    matrix = build_features(every, hours(5))
    assert matrix.names == names_of(every.features)
    assert matrix.names[3:8] == (
        "Temperature_C_missing",
        "Wind_bearing_degrees_sin",
        "Wind_bearing_degrees_cos",
        "Weather_conditions_is_rain",
        "Weather_conditions_is_snow",
    )
    assert "Humidity_mean_12h_per_Weather_conditions" in matrix.names
    assert history_needed(every) == timedelta(hours=24)
    assert set(feature_columns(every)) == set(hours(1).columns)


def test_lag_is_the_value_of_exactly_so_long_ago(declare) -> None:
    frame = hours(30)
    values = column(declare({"column": "Humidity", "lag": "24h"}), frame)
    assert np.isnan(values[:24]).all()
    np.testing.assert_allclose(values[24:], frame["Humidity"][:6], rtol=1e-6)


def test_missing_is_one_where_unknown_and_never_unknown_itself(declare) -> None:
    frame = hours(4).with_columns(Temperature_C=pl.Series([None, float("nan"), 1.0, 0.0]))
    assert column(declare({"column": "Temperature_C", "missing": True}), frame).tolist() == [1, 1, 0, 0]


def test_one_of_an_unknown_category_is_all_zero_and_a_missing_one_is_unknown(declare) -> None:
    frame = hours(4).with_columns(Weather_conditions=pl.Series(["rain", "snow", "hail", None]))
    values = build_features(declare({"column": "Weather_conditions", "one_of": ["rain", "snow"]}), frame).values
    np.testing.assert_array_equal(values, [[1, 0], [0, 1], [0, 0], [np.nan, np.nan]])


def test_age_is_the_hours_since_and_negative_ahead(declare) -> None:
    frame = hours(3).with_columns(Due=pl.Series([START - timedelta(hours=2), START + timedelta(hours=2), None]))
    frame = frame.with_columns(pl.col("Due").dt.replace_time_zone(None).dt.replace_time_zone("UTC"))
    np.testing.assert_array_equal(column(declare({"column": "Due", "age": True}), frame), [2, -1, np.nan])


@pytest.mark.parametrize("take", ["mean", "min", "max", "sum", "std", "count"])
def test_rolling_is_what_polars_says(declare, take: str) -> None:
    frame = hours(200)
    got = column(declare({"column": "Temperature_C", "over": "6h", "take": take}), frame)
    figure = pl.col("Temperature_C")
    figure = figure.std(ddof=0) if take == "std" else getattr(figure, take)()
    expected = frame.rolling("Timestamp", period="6h", closed="right").agg(figure.alias("x"))["x"].to_numpy()
    known = frame.rolling("Timestamp", period="6h").agg(pl.col("Temperature_C").count().alias("n"))["n"].to_numpy() > 0
    np.testing.assert_allclose(got[known], expected[known].astype(np.float32), rtol=1e-5, atol=1e-5)
    assert known.all() or np.isnan(got[~known]).all() or take == "count"


def test_rolling_without_a_known_value_is_unknown_and_counts_none(declare) -> None:
    frame = hours(3).with_columns(Temperature_C=pl.lit(None, dtype=pl.Float64))
    model = declare(
        *({"column": "Temperature_C", "over": "6h", "take": take} for take in ("mean", "max", "std", "count"))
    )
    np.testing.assert_array_equal(build_features(model, frame).values[2], [np.nan, np.nan, np.nan, 0])


def test_rolling_per_sees_only_rows_with_the_same_value(declare) -> None:
    frame = hours(4).with_columns(
        Humidity=pl.Series([1.0, 2.0, 3.0, 4.0]), Weather_conditions=pl.Series(["rain", "clear", "rain", "clear"])
    )
    model = declare({"column": "Humidity", "over": "3h", "take": "sum", "per": ["Weather_conditions"]})
    assert column(model, frame).tolist() == [1, 2, 4, 6]


def test_rolling_window_leaves_out_its_beginning(declare) -> None:
    frame = hours(4).with_columns(Humidity=pl.Series([8.0, 4.0, 2.0, 1.0]))
    assert column(declare({"column": "Humidity", "over": "2h", "take": "sum"}), frame).tolist() == [8, 12, 6, 3]


def test_time_of_day_is_that_of_the_declared_zone_over_the_change_to_summer_time(declare) -> None:
    frame = hours(72)  # the clocks of Helsinki go forward on 31 March 2024 at 01:00 UTC
    sine, cosine = build_features(declare({"time": "hour_of_day", "timezone": "Europe/Helsinki"}), frame).values.T
    hour = np.round(np.arctan2(sine, cosine) / (2 * np.pi) * 24) % 24
    assert (hour[0], hour[48], hour[49], hour[50]) == (2, 2, 4, 5)


def test_weekend_begins_on_saturday(declare) -> None:
    assert column(declare({"time": "weekend"}), hours(96)).tolist() == [0] * 24 + [1] * 48 + [0] * 24


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            [{"column": "Weather_conditions"}],
            "is a string; got the column as it stands, expected one of",
        ),
        ([{"column": "Temperature_C", "equals": "1"}], "Temperature_C is a float; got equals"),
        ([{"column": "Due", "over": "3h", "take": "max"}], "Due is a timestamp; got over"),
        ([{"column": "Weather_conditions", "one_of": ["rain", "hail"]}], r"has no values \['hail'\]"),
        ([{"column": "Humidity"}, {"column": "Humidity"}], r"two have the same name; got \['Humidity'\]"),
        ([{"column": "Humid"}], r"must name declared columns; got \['Humid'\]"),
        (
            [{"column": "Humidity", "over": "3h", "take": "max", "per": ["Port"]}],
            r"must name declared columns; got \['Port'\]",
        ),
        ([{"column": "Humidity", "lag": "3h", "missing": True}], r"only one of .* got \['lag', 'missing'\]"),
        ([{"column": "Weather_conditions", "one_of": ["rain", "rain"]}], "is given twice"),
        ([{"time": "hour_of_day", "timezone": "Helsinki"}], "not a time zone; got 'Helsinki'"),
        ([{"column": "Humidity", "over": "3h"}], "take"),
    ],
)
def test_feature_declared_wrongly_is_refused(declare, features, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        declare(*features)


def test_every_form_travels_through_training_onnx_and_back(every, declare) -> None:
    from almanac.registry.onnx_model import OnnxModel
    from almanac.training.export.export import export_onnx
    from almanac.training.fit.candidates import build_pipeline

    frame = hours(400)
    matrix = build_features(every, frame)
    labels = (frame["Humidity"] > 0.5).cast(pl.Int64).to_numpy()
    pipeline = build_pipeline(every, "logistic").fit(matrix.values, labels)
    graph = OnnxModel(export_onnx(every, pipeline, matrix.names))
    np.testing.assert_allclose(graph.score(matrix), pipeline.predict_proba(matrix.values)[:, 1], atol=1e-5)
