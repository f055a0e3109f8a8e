"""The train DAG's graph follows the declaration: a search has tasks of its own only where its trials can be long."""

import shutil
from typing import Any

import pytest
import yaml

from almanac.config.home import MODELS_FOLDER, REPOSITORY

LONG = {"kind": "random", "space": {"max_depth": [4, 6, 8]}, "trials": 3}
SHORT = {**LONG, "trial_cost": "1s"}


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    models = tmp_path_factory.mktemp("home") / "models"
    shutil.copytree(MODELS_FOLDER, models)
    weather = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    weather["train"]["triggers"]["change"] = True
    for name, search in (("long", LONG), ("short", SHORT)):
        weather["train"]["candidates"]["forest"]["search"] = search
        weather["train"]["trials"] = {"parallel": 3, "pool": "trials"}
        (models / f"{name}.yaml").write_text(yaml.safe_dump(weather, allow_unicode=True), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALMANAC_MODELS", str(models))
        patch.setenv("ALMANAC_HOME", str(models.parent))
        bags = [DagBag(str(REPOSITORY / "dags" / f"{name}.py")) for name in ("train", "check_config")]
    assert [bag.import_errors for bag in bags] == [{}, {}]
    return {**bags[0].dags, **bags[1].dags}


@pytest.mark.parametrize("name", ["weather", "short"])
def test_train_without_a_long_search_has_no_tasks_for_it(dags: dict[str, Any], name: str) -> None:
    assert {"plan_search", "try_out"}.isdisjoint(dags[f"train_{name}"].task_ids)


def test_train_with_a_long_search_maps_its_trials_within_their_pool(dags: dict[str, Any]) -> None:
    try_out = dags["train_long"].get_task("try_out")
    assert try_out.is_mapped
    assert try_out.partial_kwargs["pool"] == "trials"
    assert try_out.partial_kwargs["max_active_tis_per_dagrun"] == 3
    assert try_out.upstream_task_ids == {"plan_search"}
    assert {"try_out", "decide"} <= dags["train_long"].get_task("train").upstream_task_ids


def test_train_goes_on_when_no_trial_needed_a_task(dags: dict[str, Any]) -> None:
    assert dags["train_long"].get_task("train").trigger_rule == "none_failed"


def test_train_is_triggered_by_a_change_that_check_config_finds(dags: dict[str, Any]) -> None:
    look = dags["check_config"].get_task("look_at_long")
    assert [asset.name for asset in look.outlets] == ["change_long"]
    assert look.upstream_task_ids == {"check_every_yaml"}
    assert "look_at_weather" not in dags["check_config"].task_ids
    waits = {asset.name for asset in dags["train_long"].timetable.asset_condition.objects}
    assert waits == {"dataset_long", "retrain_request_long", "change_long"}


def test_train_runs_one_at_a_time(dags: dict[str, Any]) -> None:
    assert dags["train_weather"].max_active_runs == 1
