"""Every broken YAML is refused with a message that says where, what, got, expected; the others still load."""

import re
from pathlib import Path

import pytest

from almanac.config.files.loader import check_models, find_model, load_model, load_models
from almanac.config.home import MODELS_FOLDER
from almanac.errors import ConfigError

WEATHER = (MODELS_FOLDER / "weather.yaml").read_text("utf-8")
DEFAULTS = (MODELS_FOLDER / "_defaults.yaml").read_text("utf-8")

INVALID = {
    "unknown key": ("title: Rain", "colour: blue\ntitle: Rain", r"models/broken\.yaml: colour: unknown key"),
    "key twice": ("owner: port-forecast", "owner: a\nowner: b", "key given twice: 'owner'"),
    "cron": ('schedule: "0 3 * * 1"', "schedule: dayly", "train.triggers.schedule: not a cron expression; got 'dayly'"),
    "column of ours": (
        "    Humidity:",
        "    _row: {type: float}\n    Humidity:",
        "'_row' is reserved for a column that",
    ),
    "columns that differ in case": (
        "    Humidity:",
        "    humidity: {type: float}\n    Humidity:",
        "'humidity' and 'Humidity' differ only in case",
    ),
    "column that polars expands": (
        "    Humidity:",
        "    ^x$: {type: float}\n    Humidity:",
        r"is a pattern for several columns",
    ),
    "cron with seconds": (
        'schedule: "0 3 * * 1"',
        'schedule: "* * * * * *"',
        r"train.triggers.schedule: not a cron expression; got 6 fields, '\* \* \* \* \* \*', expected five",
    ),
    "cron that never ticks": (
        'schedule: "0 3 * * 1"',
        'schedule: "0 3 30 2 *"',
        "schedule: never ticks; got '0 3 30 2",
    ),
    "endless duration": ("horizon: 4h", "horizon: 99999999999999d", "label.horizon: not a duration; got '99999"),
    "duration": ("horizon: 4h", "horizon: four hours", "label.horizon: not a duration; got 'four hours'"),
    "horizon off step": ("horizon: 4h", "horizon: 90m", "must be a multiple of dataset.step"),
    "missing": ("owner: port-forecast\n", "", "owner: missing"),
    "estimator": (
        "sklearn.linear_model.LogisticRegression",
        "os.system",
        "train.candidates.logistic.estimator: estimator not allowed; got 'os.system'",
    ),
    "no onnx": (
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "skl2onnx cannot convert",
    ),
    "unknown column": ("- {column: Humidity}", "- {column: Humidty}", r"got \['Humidty'\], declared"),
    "label value": ("equals: rain\n  horizon", "equals: hail\n  horizon", "label.equals is not among"),
    "min above max": ("min: 870, max: 1085", "min: 1085, max: 870", "min above max"),
    "range of text": ("values: [rain, snow, clear]", "min: 1", "min and max need type float or integer"),
    "time type": ("time: Timestamp", "time: Humidity", "time must be of type timestamp"),
    "pattern leaves": ("dataset:\n  time", "source: {patterns: ['../*.csv']}\ndataset:\n  time", "leaves the landing"),
    "source kind": (
        "dataset:\n  time",
        "source: {kind: ftp}\ndataset:\n  time",
        r"source: .*'ftp'.*'files', 'http', 'sql'",
    ),
    "http without connection": (
        "dataset:\n  time",
        "source: {kind: http}\ndataset:\n  time",
        r"broken\.yaml: source\.connection: missing",
    ),
    "http paging in csv": (
        "dataset:\n  time",
        "source: {kind: http, connection: c, response: csv, paging: {kind: cursor, field: next}}\ndataset:\n  time",
        "need response json; got response csv",
    ),
    "http paging key": (
        "dataset:\n  time",
        "source: {kind: http, connection: c, paging: {kind: page, colour: blue}}\ndataset:\n  time",
        r"source\.paging\.colour: unknown key",
    ),
    "sql pattern": (
        "dataset:\n  time",
        "source: {kind: sql, connection: c, query: q, patterns: ['*.json']}\ndataset:\n  time",
        "patterns exclude the fetched files",
    ),
    "sql overlap": (
        "dataset:\n  time",
        "source: {kind: sql, connection: c, query: q, watermark: {column: t, overlap: -1}}\ndataset:\n  time",
        r"source\.watermark\.overlap",
    ),
    "sql format": (
        "dataset:\n  time",
        "source: {kind: sql, connection: c, query: q, format: {kind: parquet}}\ndataset:\n  time",
        r"source: source\.format: what is fetched is written as CSV in UTF-8",
    ),
    "own name": ("title: Rain", "name: other\ntitle: Rain", "the file's name is the model's name"),
    "feature forms": ("change: 3h}", "change: 3h, cycle: 7}", "only one of change, lag, cycle"),
    "not yaml": ("title: Rain", "title: [Rain", "not YAML"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    models.mkdir()
    (models / "_defaults.yaml").write_text(DEFAULTS, "utf-8")
    return models


@pytest.mark.parametrize("case", INVALID)
def test_load_model_broken_is_refused_with_its_place(folder: Path, case: str) -> None:
    good, bad, message = INVALID[case]
    assert good in WEATHER
    (folder / "broken.yaml").write_text(WEATHER.replace(good, bad, 1), "utf-8")
    with pytest.raises(ConfigError, match=message):
        load_model(folder / "broken.yaml")


def test_load_models_one_broken_leaves_the_others(folder: Path) -> None:
    (folder / "broken.yaml").write_text("title: only", "utf-8")
    (folder / "weather.yaml").write_text(WEATHER, "utf-8")
    loaded = load_models(folder)
    assert [model.name for model in loaded.models] == ["weather"]
    assert len(loaded.problems) == 1
    with pytest.raises(ConfigError, match=re.escape("broken.yaml: owner: missing")):
        check_models(folder)


def test_load_model_name_not_a_slug_is_refused(folder: Path) -> None:
    (folder / "Bad-Name.yaml").write_text(WEATHER, "utf-8")
    with pytest.raises(ConfigError, match="name: not a slug; got 'Bad-Name'"):
        load_model(folder / "Bad-Name.yaml")


def test_find_model_unknown_names_the_declared(folder: Path) -> None:
    (folder / "weather.yaml").write_text(WEATHER, "utf-8")
    with pytest.raises(ConfigError, match=r"no model 'wether'; declared are \['weather'\]"):
        find_model(folder, "wether")


def test_check_models_shipped_models_are_valid() -> None:
    assert "weather" in check_models(MODELS_FOLDER)


def test_load_model_own_value_wins_over_defaults(folder: Path) -> None:
    (folder / "weather.yaml").write_text(WEATHER + "\npromotion: manual\n", "utf-8")
    model = load_model(folder / "weather.yaml")
    assert model.promotion == "manual"
    assert model.train.policy.max_runs_per_week == 7


@pytest.mark.parametrize(
    ("dag_id", "names"),
    [
        ("ingest_rain", ["rain"]),
        ("window_rain_daily", ["rain"]),
        ("train_rain_2", ["rain", "rain_2"]),  # it may be of both; one too many costs a millisecond
        ("ingest_rain_2", ["rain", "rain_2"]),
        ("ingest_drain", ["drain"]),
        ("check_config", ["drain", "rain", "rain_2"]),
        ("", ["drain", "rain", "rain_2"]),
    ],
)
def test_load_models_of_a_dag_reads_the_models_that_it_can_be_of(tmp_path: Path, dag_id: str, names: list[str]) -> None:
    (tmp_path / "_defaults.yaml").write_text(DEFAULTS, "utf-8")
    for name in ("rain", "drain", "rain_2"):
        (tmp_path / f"{name}.yaml").write_text(WEATHER, "utf-8")

    assert [model.name for model in load_models(tmp_path, of_dag=dag_id).models] == names
