"""`kind: forecast`: what may be declared, and how each mistake is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from almanac.config.files.loader import find_declared, find_forecast, find_model, load_models
from almanac.config.home import MODELS_FOLDER
from almanac.config.sections.pipelines import words
from almanac.errors import ConfigError
from tests.forecast.shop import MODEL, declare

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such target": (
        {"target": "Sales"},
        r"forecast.target must be a column of numbers; got 'Sales': no such column",
    ),
    "text as target": ({"target": "Store"}, r"forecast.target must be .*; got 'Store': type string"),
    "part of the key": ({"grain": ["Date"]}, r"forecast.grain must be the columns of dataset.key beside dataset.time"),
    "season without one": (
        {"season": []},
        r"candidates: \['level', 'seasonal_mean', 'ridge without lags'\] need a season",
    ),
    "season twice": ({"season": [12, 12]}, r"forecast.season: each value once; got \[12, 12\]"),
    "no horizon": ({"horizon": 0}, r"forecast.horizon: expected greater than or equal to 1"),
    "one backtest": ({"choose": {"backtests": 1}}, r"forecast.choose.backtests: expected greater than or equal to 2"),
    "unknown candidate": ({"candidates": {"prophet": {}}}, r"forecast.candidates.prophet: unknown key"),
    "parameter of none": ({"candidates": {"naive": {"lags": 3}}}, r"forecast.candidates.naive.lags: unknown key"),
    "interval of all": ({"intervals": [1.0]}, r"forecast.intervals.0: expected less than 1"),
    "limits crossed": ({"limits": {"min": 5, "max": 1}}, r"min must be below max; got min 5.0, max 1.0"),
    "two calendars": (
        {"calendar": {"file": "a.csv", "model": "promotions"}},
        r"either file or model; got file 'a.csv', model 'promotions'",
    ),
    "calendar of another folder": ({"calendar": "../holidays.csv"}, r"forecast.calendar: .*got '../holidays.csv'"),
    "another estimator": ({"candidates": {"global": {"estimator": "xgboost"}}}, r"candidates.global.estimator: "),
    "damped nothing": ({"candidates": {"ets": {"trend": False}}}, r"damped: only a trend can be"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_forecast_declared_wrongly_is_refused_with_where_and_what(tmp_path: Path, case: str) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(ConfigError, match=rf"sales\.yaml: .*{message}"):
        declare(tmp_path, changes)


def write(folder: Path, **changes: Any) -> None:
    (folder / "sales.yaml").write_text(yaml.safe_dump({**MODEL, **changes}, sort_keys=False), "utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "forcast"}, r"sales.yaml: kind: got 'forcast', expected 'forecast'"),
        ({"kind": ""}, r"sales.yaml: kind: got '', expected 'forecast'"),
        ({"train": {}}, r"sales.yaml: train: unknown key"),
        ({"triggers": {"nightly": {"kind": "schedule", "cron": "0 2 * * *"}}}, r"triggers: a forecast has none; got"),
        ({"pipelines": {"score": {"priority": 2}}}, r"pipelines: got \['score'\], expected some of \['ingest', 'fore"),
        ({"pipelines": {"forecast": {"when": "champion"}}}, r"pipelines.forecast.when: unknown triggers; got \['champ"),
    ],
)
def test_file_of_a_forecast_with_what_it_cannot_have_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write(tmp_path, **changes)
    with pytest.raises(ConfigError, match=message):
        find_declared(tmp_path, "sales")


def test_model_with_a_label_has_no_pipeline_of_a_forecast(tmp_path: Path) -> None:
    declared = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
    declared["pipelines"] = {"forecast": {"priority": 2}}
    (tmp_path / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"))
    (tmp_path / "weather.yaml").write_text(yaml.safe_dump(declared))
    with pytest.raises(ConfigError, match=r"pipelines: got \['forecast'\], expected some of \['ingest', 'train'"):
        find_model(tmp_path, "weather")


def test_forecast_lies_beside_models_and_takes_only_its_part_of_the_defaults(tmp_path: Path) -> None:
    for name in ("_defaults.yaml", "weather.yaml"):
        (tmp_path / name).write_text((MODELS_FOLDER / name).read_text("utf-8"))
    declare(tmp_path)
    loaded = load_models(tmp_path)
    assert loaded.problems == ()
    assert ([one.name for one in loaded.models], [one.name for one in loaded.forecasts]) == (["weather"], ["sales"])
    assert [one.name for one in loaded.declared] == ["sales", "weather"]
    (forecast,) = loaded.forecasts
    assert forecast.maintenance.schedule == "0 2 * * 0"


def test_forecast_is_no_model_with_a_label_and_the_other_way_round(tmp_path: Path) -> None:
    for name in ("_defaults.yaml", "weather.yaml"):
        (tmp_path / name).write_text((MODELS_FOLDER / name).read_text("utf-8"))
    declare(tmp_path)
    with pytest.raises(ConfigError, match="sales: got a model of kind: forecast, expected one that predicts a label"):
        find_model(tmp_path, "sales")
    with pytest.raises(ConfigError, match="weather: got a model that predicts a label, expected one of kind: forecast"):
        find_forecast(tmp_path, "weather")


def test_forecast_is_triggered_by_its_dataset_and_its_own_schedule(tmp_path: Path) -> None:
    assert words(declare(tmp_path), "forecast") == "when the dataset has a new version"
    scheduled = declare(tmp_path, {"schedule": "0 4 * * 1"})
    assert words(scheduled, "forecast").startswith("when the dataset has a new version or the schedule is due")
