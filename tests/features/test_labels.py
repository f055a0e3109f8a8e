"""The label looks forward, joined on time, and is known only once its hour has come."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.errors import DataError
from almanac.features.labels import label_columns, labels, state_before, state_now
from tests.training.number_labels.load import LOAD, load_yaml

START = datetime(2024, 1, 1, tzinfo=UTC)
LATE = datetime(2030, 1, 1, tzinfo=UTC)
CONDITIONS = ["clear", "rain", "rain", "snow", "rain", None, "clear", "rain"]


@pytest.fixture(scope="module")
def weather() -> Model:
    return load_model(Path(MODELS_FOLDER) / "weather.yaml")


@pytest.fixture
def frame() -> pl.DataFrame:
    times = pl.datetime_range(START, START + timedelta(hours=7), "1h", time_unit="us", eager=True)
    return pl.DataFrame({"Timestamp": times, "Weather_conditions": CONDITIONS})


def test_label_is_what_is_true_four_hours_later(weather: Model, frame: pl.DataFrame) -> None:
    got = labels(weather, frame, now=LATE)
    assert got.name == "rain_in_4h"
    # hour 4 rains; hour 5 has no value; hour 6 is clear; hour 7 rains; hours 8 to 11 are not there
    assert got.to_list() == [1, None, 0, 1, None, None, None, None]


def test_label_over_a_missing_hour_is_unknown(weather: Model, frame: pl.DataFrame) -> None:
    holed = frame.filter(pl.col("Timestamp") != START + timedelta(hours=6))
    assert labels(weather, holed, now=LATE).to_list() == [1, None, None, 1, None, None, None]


def test_label_of_an_hour_to_come_is_unknown(weather: Model, frame: pl.DataFrame) -> None:
    assert labels(weather, frame, now=START + timedelta(hours=6)).to_list()[:4] == [1, None, 0, None]
    assert labels(weather, frame, now=START + timedelta(hours=5, minutes=59)).to_list()[:4] == [1, None, None, None]


def test_label_does_not_depend_on_the_order_of_rows(weather: Model, frame: pl.DataFrame) -> None:
    turned = frame.reverse()
    assert labels(weather, turned, now=LATE).reverse().to_list() == labels(weather, frame, now=LATE).to_list()


def test_state_now_is_the_column_at_the_row_itself(weather: Model, frame: pl.DataFrame) -> None:
    assert state_now(weather, frame).to_list() == [0, 1, 1, 0, 1, None, 0, 1]


def test_state_before_is_the_column_one_season_before_the_predicted_time(weather: Model, frame: pl.DataFrame) -> None:
    got = state_before(weather, frame, timedelta(hours=6))  # 4 ahead, 6 back: two hours before the row
    assert got.name == "state_before"
    assert got.to_list() == [None, None, 0, 1, 1, 0, 1, None]


def test_label_of_a_number_is_the_number_and_an_infinite_one_is_unknown() -> None:
    model = load_yaml(LOAD)
    values = [1.5, float("inf"), float("nan"), None, -2.0]
    times = pl.datetime_range(START, START + timedelta(hours=4), "1h", time_unit="us", eager=True)
    frame = pl.DataFrame({model.dataset.time: times, model.label.column: values})
    assert state_now(model, frame).to_list() == [1.5, None, None, None, -2.0]


def test_label_columns_are_time_key_and_label(weather: Model) -> None:
    assert label_columns(weather) == ("Timestamp", "Weather_conditions")


def test_labels_now_without_zone_refuses(weather: Model, frame: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="got the naive"):
        labels(weather, frame, now=datetime(2024, 1, 1))  # noqa: DTZ001 - the fault under test
