"""A dataset without a time: what is added to it, and what is refused."""

import pytest
import yaml

from almanac.config.grammar.arrival_columns import ARRIVAL, ARRIVAL_ROW
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.errors import ConfigError
from almanac.training.fingerprint import declaration_sha256
from tests.training.arrivals import PATIENTS, patients_model
from tests.training.number_labels.load import LOAD, load_yaml

COLUMNS = yaml.safe_load(PATIENTS)["dataset"]["columns"]


def test_arrival_is_the_time_of_the_rows_under_a_name_that_no_file_has() -> None:
    dataset = patients_model().dataset
    assert (dataset.time, dataset.is_arrival, dataset.has_key) == (ARRIVAL, True, True)
    assert dataset.columns[ARRIVAL].type == "timestamp"
    assert list(dataset.delivered) == list(COLUMNS)
    assert list(dataset.in_file().columns) == list(COLUMNS)


def test_arrival_without_a_key_numbers_the_rows() -> None:
    dataset = patients_model(dataset={"key": []}).dataset
    assert (dataset.key, dataset.has_key) == ((ARRIVAL_ROW,), False)
    assert list(dataset.delivered) == list(COLUMNS)


def test_arrival_takes_its_defaults_from_a_section_of_its_own() -> None:
    model = patients_model()
    assert (model.dataset.corrections, model.label.horizon.total_seconds()) == ("replace", 0)
    assert load_yaml(LOAD).dataset.corrections == "quarantine"


def test_arrival_that_was_declared_is_read_again_from_the_files_of_a_version() -> None:
    model = patients_model()
    again = Model.model_validate(yaml.safe_load(yaml.safe_dump(model.model_dump(mode="json"))))
    assert again == model
    assert declaration_sha256(again) == declaration_sha256(model)


def test_arrival_as_the_name_of_a_declared_column_is_a_time_like_any_other() -> None:
    columns = {**COLUMNS, "arrival": {"type": "timestamp"}}
    gates = {"segments": {"by": "ward", "metric": "f1_macro", "max_loss": 1, "min_rows": 1}}
    key = ["arrival", "patient"]
    dataset = patients_model(
        dataset={"columns": columns, "key": key, "step": "1h"}, label={"horizon": "0s"}, gates=gates
    ).dataset
    assert (dataset.time, dataset.is_arrival) == ("arrival", False)


def test_arrival_refuses_a_column_with_the_name_of_an_added_one() -> None:
    with pytest.raises(ConfigError, match=r"\['_arrival'\] are added to a table with time: arrival; rename them"):
        patients_model(dataset={"columns": {**COLUMNS, "_arrival": {"type": "float"}}})


WINDOWS = {"weeks": {"kind": "window", "size": "7d", "start": "2026-01-01T00:00:00Z"}}
REFUSED = {
    "horizon": ({"label": {"horizon": "1d"}}, "label.horizon and label.delay must be 0s"),
    "delay": ({"label": {"delay": "1d"}}, "label.horizon and label.delay must be 0s"),
    "lag": ({"features": [{"column": "age", "lag": "1d"}]}, "age_lag_1d looks back in time"),
    "change": ({"features": [{"column": "age", "change": "1d"}]}, "age_change_1d looks back in time"),
    "window": ({"features": [{"column": "age", "over": "7d", "take": "mean"}]}, "age_mean_1w looks back in time"),
    "clock": ({"features": [{"time": "day_of_week"}]}, "day_of_week_sin is the time of the delivery"),
    "late": ({"dataset": {"late_after": "1d"}}, "dataset.late_after and dataset.order compare times"),
    "order": ({"dataset": {"order": "increasing"}}, "dataset.late_after and dataset.order compare times"),
    "persistence": ({"gates": {"baselines": {"metric": "f1_macro", "margin": 0, "kinds": ["persistence"]}}}, "repeat"),
    "season": ({"gates": {"baselines": {"metric": "f1_macro", "margin": 0, "kinds": ["day_ago"]}}}, "day_ago repeat"),
    "months": (
        {"gates": {"segments": {"by": "month", "metric": "f1_macro", "max_loss": 1, "min_rows": 1}}},
        "gates.segments.by: month is a part of time",
    ),
    "monitored months": ({"monitor": {"segments": [{"by": "month"}]}}, "monitor.segments: month are parts of time"),
    "drift by season": ({"monitor": {"drift": {"season": "month"}}}, "monitor.drift.season must be none; got month"),
    "train.window": ({"train": {"window": "30d"}}, "train.window is a stretch of time"),
    "triggers": ({"triggers": WINDOWS, "pipelines": {"score": {"when": "weeks"}}}, "are windows of event time"),
    "folds": ({"train": {"backtest": {"folds": 5, "share": 0.2, "min_train_rows": 1}}}, "got 5 x 0.2, expected at"),
    "label of a group": (
        {"dataset": {"group": ["ill"], "columns": {**COLUMNS, "ill": {"type": "string", "values": ["yes", "no"]}}}},
        "dataset.group: ill is the label",
    ),
    "group with gaps": ({"dataset": {"group": ["pressure"]}}, "group: must never be empty"),
    "group that is no column": ({"dataset": {"group": ["owner"]}}, "time, key, group and unique must name declared"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arrival_refuses_what_makes_no_sense_without_a_time(case: str) -> None:
    sections, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        patients_model(**sections)


def test_group_of_a_dataset_with_a_time_is_refused() -> None:
    text = (MODELS_FOLDER / "weather.yaml").read_text("utf-8")
    with pytest.raises(ConfigError, match=r"dataset\.group: folds of a dataset with a time are cut by that"):
        load_yaml(text, dataset={"group": ["Location"]})


def test_optional_column_that_is_never_empty_is_refused() -> None:
    with pytest.raises(ConfigError, match="optional needs nullable: true"):
        patients_model(dataset={"columns": {**COLUMNS, "glucose": {"type": "float", "optional": True}}})
