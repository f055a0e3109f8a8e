"""Every kind of feature has, asked alone, the value that it has in a batch: bit for bit."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.config.home import Home
from almanac.config.own_code import read_code
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.model_rows import ModelRows
from almanac.features.features import build_features, feature_columns
from almanac.serving.compiled.plan import RowPlan
from almanac.serving.history import History, own_columns
from almanac.serving.request_rows import RequestReader
from tests.data.parts import publish_rows
from tests.monitoring.world import NOW, TRAINED_UNTIL, WEATHER, changed, hours
from tests.serving.world import as_rows

if TYPE_CHECKING:
    from almanac.config.schema import Model

HOUR = timedelta(hours=1)
KINDS = {
    "as it stands": {"column": "Humidity"},
    "change": {"column": "Humidity", "change": "3h"},
    "lag": {"column": "Pressure_millibars", "lag": "2h"},
    "cycle": {"column": "Wind_bearing_degrees", "cycle": 360},
    "equals": {"column": "Weather_conditions", "equals": "rain"},
    "one_of": {"column": "Weather_conditions", "one_of": ["rain", "snow"]},
    "missing": {"column": "Humidity", "missing": True},
    "hour of day": {"time": "hour_of_day", "timezone": "Europe/Helsinki"},
    "day of year": {"time": "day_of_year"},
    "mean": {"column": "Temperature_C", "over": "6h", "take": "mean"},
    "std": {"column": "Temperature_C", "over": "6h", "take": "std"},
    "count": {"column": "Temperature_C", "over": "4h", "take": "count"},
    "max": {"column": "Humidity", "over": "5h", "take": "max"},
    "category": {"column": "Weather_conditions", "encode": "target"},
    "words": {"text": "Weather_conditions", "hash": 64, "ngrams": [1, 3], "by": "char"},
    "own": {
        "own": ["dew", "warming"],
        "columns": ["Temperature_C", "Humidity"],
        "history": "1h",
        "sha256": read_code(Path(__file__).with_name("own_dew.py")),
    },
}
START = TRAINED_UNTIL - timedelta(hours=40)
ROWS = hours(START, TRAINED_UNTIL)


def of(*features: dict[str, object]) -> Model:
    declared = WEATHER.model_dump()
    declared["features"] = list(features)
    declared["score"]["missing"] = {}
    declared["gates"]["behaviour"] = {}
    return type(WEATHER).model_validate(declared)


def publish(home: Home, model: Model, rows: pl.DataFrame, batch: str = "one") -> None:
    publish_rows(DatasetTable.of(home, model), rows.with_row_index("_row", offset=1).cast({"_row": pl.Int64}), batch)


def asked(home: Home, model: Model, rows: pl.DataFrame) -> pl.DataFrame:
    """What the service builds features from, for rows that are not in the dataset yet."""
    frame, problems = RequestReader(model).read([as_rows(rows)], now=NOW)
    assert problems == [[]]
    return History.read(home, model).frame_for(frame)


def built_without_frames(home: Home, model: Model, rows: pl.DataFrame) -> bytes:
    """The features of the same rows by the path of small requests."""
    plan = RowPlan.of(model, RequestReader(model))
    assert plan is not None
    return plan.with_history(History.read(home, model)).read(as_rows(rows), now=NOW).matrix.values.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_features_asked_alone_are_those_of_the_batch(tmp_path: Path, kind: str) -> None:
    model, home = of(KINDS[kind]), Home(home=tmp_path)
    publish(home, model, ROWS[:-1])
    online = build_features(model, asked(home, model, ROWS[-1:]))
    alone = None if kind == "own" else built_without_frames(home, model, ROWS[-1:])

    publish(home, model, ROWS[-1:], "two")
    batch = build_features(model, ModelRows.newest(home, model).read(columns=list(feature_columns(model))))
    assert online.names == batch.names
    assert online.values[-1].tobytes() == batch.values[-1].tobytes()
    assert alone in (None, batch.values[-1].tobytes())


@settings(max_examples=15)
@given(st.data())
def test_features_of_some_rows_are_those_of_the_batch_whatever_is_missing_before(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    kept = data.draw(st.lists(st.integers(0, ROWS.height - 1), min_size=4, max_size=25, unique=True).map(sorted))
    new = data.draw(st.integers(1, 3))
    rows = ROWS[kept]
    # the column of `equals` is one of `one_of`; the row before, whichever it is, is not what `history` says
    kinds = [kind for name, kind in KINDS.items() if name not in ("equals", "own")]
    model, home = of(*kinds), Home(home=tmp_path_factory.mktemp("home"))
    publish(home, model, rows[:-new])
    online = build_features(model, asked(home, model, rows[-new:]))
    alone = built_without_frames(home, model, rows[-new:])

    batch = build_features(model, rows.select(feature_columns(model)))
    assert online.values[-new:].tobytes() == batch.values[-new:].tobytes()
    assert alone == batch.values[-new:].tobytes()


def test_features_of_a_row_look_back_to_rows_of_its_key_alone(tmp_path: Path) -> None:
    model = changed(of(KINDS["lag"], KINDS["mean"]), "dataset", key=("Timestamp", "Location"))
    here, there = ROWS, ROWS.with_columns(Location=pl.lit("Elsewhere"), Pressure_millibars=pl.lit(900.0))
    home = Home(home=tmp_path)
    publish(home, model, pl.concat([here[:-1], there[:-1]]))
    frame = asked(home, model, here[-1:])

    assert frame["Location"].n_unique() == 1
    batch = build_features(model, pl.concat([here, there]).select(feature_columns(model)))
    assert build_features(model, frame).values[-1].tobytes() == batch.values[here.height - 1].tobytes()


def test_features_with_joins_are_those_of_the_batch(tmp_path: Path) -> None:
    declared = WEATHER.model_dump()
    declared["joins"] = {
        "buoy": {
            "model": "buoy",
            "time": "Timestamp",
            "columns": {"Humidity": "float"},
            "tolerance": "5h",
            "known_after": "1h",
        }
    }
    declared["features"] = [{"column": "buoy.Humidity"}, KINDS["lag"]]
    declared["score"]["missing"] = {}
    declared["gates"]["behaviour"] = {}
    model, home = type(WEATHER).model_validate(declared), Home(home=tmp_path)
    buoy = WEATHER.model_copy(update={"name": "buoy"})
    publish(home, buoy, ROWS)
    publish(home, model, ROWS[:-1])
    online = build_features(model, asked(home, model, ROWS[-1:]))

    publish(home, model, ROWS[-1:], "two")
    batch = build_features(model, ModelRows.newest(home, model).read(columns=list(feature_columns(model))))
    assert online.values[-1].tobytes() == batch.values[-1].tobytes()
    assert set(own_columns(model)) <= set(model.dataset.columns)
