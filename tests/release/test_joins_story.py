"""A model that joins a second model's dataset: trained, scored, watched and rebuilt at recorded versions."""

import re
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.model_rows import ModelRows
from almanac.errors import ConfigError, DataError
from almanac.features.features import build_features, feature_columns
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.onnx_model import OnnxModel
from almanac.release.lineage import trace
from almanac.release.promotion import promote, register
from almanac.release.rebuild import rebuild
from almanac.release.run_judgement import judge
from almanac.scoring.predictions import PredictionTable
from almanac.scoring.score import score_new_windows
from almanac.training.passport import load_passport
from almanac.training.training_run import train
from tests.data.parts import publish_rows
from tests.training.number_labels.load import HOURS, LOAD, START, load_yaml, make_load

JOINS = {"forecast": {"model": "sky", "time": "At", "columns": {"Cold": "float"}, "tolerance": "3h"}}
FEATURES = [
    {"column": "Load"},
    {"column": "Load", "lag": "20h"},
    {"column": "forecast.Cold"},
    {"column": "forecast.Cold", "missing": True},
    {"time": "hour_of_day"},
]
SKY = """
title: Sky
description: What the sky does.
owner: tests
dataset:
  time: At
  step: 1h
  key: [At]
  origin: made by this test
  licence: none needed
  columns: {At: {type: timestamp}, Cold: {type: float}}
label: {name: cold_in_1h, column: Cold, horizon: 1h}
features: [{column: Cold}]
"""
ALL = HOURS + 24 * 20


@pytest.fixture(scope="module")
def grid():
    """Under a name of its own: other tests that share the registry train `load` with other features."""
    return load_yaml(LOAD, joins=JOINS, features=FEATURES).model_copy(update={"name": "joined_load"})


@pytest.fixture(scope="module")
def sky():
    rest = LOAD[LOAD.index("train:") :]
    return load_yaml(SKY + rest).model_copy(update={"name": "sky"})


def publish(home: Home, model, frame: pl.DataFrame, batch: str) -> int:
    rows = frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    return publish_rows(DatasetTable.of(home, model), rows, batch)


def cold_of(load: pl.DataFrame) -> pl.DataFrame:
    """The second dataset: a quarter of an hour before each hour, how cold it is."""
    at = (pl.col("Hour") - timedelta(minutes=15)).alias("At")
    return load.select(at, (16 - pl.col("Temperature")).clip(0).alias("Cold"))


@pytest.fixture(scope="module")
def world(registry, grid, sky, tmp_path_factory):
    """Champion 1 was trained at version 0 of the second dataset; then both datasets went on."""
    home = Home(home=tmp_path_factory.mktemp("joined"))
    journal = Journal(f"sqlite:///{home.home}/journal.db")
    load, run, now = make_load(ALL), RunRef("train_load", "joined"), START + timedelta(hours=HOURS)
    publish(home, grid, load[:HOURS], "first")
    publish(home, sky, cold_of(load[:HOURS]), "first")
    logged = train(
        grid,
        home,
        registry,
        reason="a test",
        run=run,
        now=now,
        candidates=None,
        overrides=None,
        on_progress=lambda _: None,
    )
    publish(home, sky, cold_of(load[HOURS:]), "second")
    publish(home, grid, load[HOURS:], "second")
    verdict = judge(grid, home, journal, registry, logged, run=run, now=now)
    assert verdict.accepted, verdict.reasons
    number = register(registry, grid.name, logged, run=run, journal=journal, now=now).version
    promote(registry, grid, number, reason="a test", run=run, journal=journal, now=now)
    return home, journal, registry.version(grid.name, number)


def test_training_records_the_version_that_it_joined(registry, grid, world) -> None:
    home, _, version = world
    assert version.joined == {"sky": 0}
    assert load_passport(registry, version).data.joined_versions == {"sky": 0}
    assert dict(trace(grid, home, registry, version.version).steps())["joined"] == "dataset of sky, version 0"
    assert registry.versions_joining("sky")[0].version == version.version
    assert registry.versions_joining("sk") == []


def test_joined_column_is_used(registry, grid, world) -> None:
    home, _, version = world
    matrix = build_features(grid, ModelRows(grid, home, 0, version.joined).read())
    graph = OnnxModel(registry.load_onnx(version))
    blind = matrix.values.copy()
    blind[:, matrix.names.index("forecast.Cold")] = np.nan
    assert np.abs(graph.predict(blind) - graph.predict(matrix.values)).mean() > 10


def test_score_builds_the_same_features_from_the_newest_versions(registry, grid, world) -> None:
    home, _, version = world
    score_new_windows(grid, home, registry, run=RunRef("score_load", "1"), now=START + timedelta(hours=ALL))
    predicted = PredictionTable.of(home, grid).read(version.version, since=START, until=START + timedelta(hours=ALL))
    matrix = build_features(grid, ModelRows.newest(home, grid).read(columns=feature_columns(grid)))
    expected = OnnxModel(registry.load_onnx(version)).score(matrix)[-predicted.height :]
    assert predicted["prediction"].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert predicted["missing"].is_null().all()


def test_rows_that_arrive_later_in_the_second_dataset_are_scored_again(registry, grid, sky, world) -> None:
    home, _, _ = world
    run, now = RunRef("score_load", "2"), START + timedelta(hours=ALL)
    score_new_windows(grid, home, registry, run=run, now=now)
    assert score_new_windows(grid, home, registry, run=run, now=now).rows == 0
    more = pl.DataFrame({"At": [now - timedelta(hours=30, minutes=10)], "Cold": [99.0]})
    publish(home, sky, more.with_columns(pl.col("At").dt.cast_time_unit("us")), "late")
    again = score_new_windows(grid, home, registry, run=run, now=now)
    assert (again.windows, again.rows) == (2, 48)  # the window of the row, and the next: tolerance reaches into it


def test_rebuild_uses_the_version_that_was_joined(registry, grid, world) -> None:
    home, _, version = world
    found = rebuild(home, registry, version, on_progress=lambda _: None)
    assert [one.name for one in found.results if not one.same] == []


def test_rows_of_a_join_that_was_not_recorded_are_refused(grid, world) -> None:
    home, _, _ = world
    with pytest.raises(DataError, match=r"joins\.forecast: no version of the dataset of sky was recorded"):
        ModelRows(grid, home, 0).read()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model": "load"}, "joins.forecast: the dataset of load cannot be joined to itself"),
        ({"on": {"Place": "At"}}, r"joins.forecast.on must name declared columns; got \['Place'\]"),
        ({"known_after": "4h"}, "are not used, so no row would ever match. Increase tolerance"),
        ({"columns": {"Cold": "string"}}, "features: forecast.Cold is a string; got the column as it stands"),
        ({"columns": {"Warm": "float"}}, r"features must name declared columns; got \['forecast.Cold'\]"),
    ],
)
def test_join_that_cannot_be_is_refused(changes, fault) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_yaml(LOAD, joins={"forecast": {**JOINS["forecast"], **changes}}, features=FEATURES)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model": "moon"}, r"joins.forecast.model: no model 'moon'; declared are \['load', 'sky'\]"),
        ({"time": "Hour"}, "joins.forecast.time: the time of sky is 'At'; got 'Hour'"),
        ({"columns": {"Cold": "integer"}}, r"joins.forecast.columns: sky declares {'Cold': 'float'}; got {'Cold': 'in"),
        ({"on": {"Load": "At"}}, "joins.forecast.on: Load is a float, At of sky timestamp"),
    ],
)
def test_join_that_its_neighbour_does_not_know_is_a_problem_of_its_own(tmp_path, grid, sky, changes, fault) -> None:
    import yaml

    from almanac.config.files.profile import DEFAULTS
    from almanac.config.home import MODELS_FOLDER

    (tmp_path / DEFAULTS).write_text((MODELS_FOLDER / DEFAULTS).read_text("utf-8"), "utf-8")
    joining = {"forecast": {**JOINS["forecast"], **changes}}
    texts = {"load": {**yaml.safe_load(LOAD), "joins": joining, "features": FEATURES}}
    texts["sky"] = yaml.safe_load(SKY + LOAD[LOAD.index("train:") :])
    for name, values in texts.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    loaded = load_models(tmp_path)
    assert [model.name for model in loaded.models] == ["sky"]
    assert re.search(fault, loaded.problems[0])
