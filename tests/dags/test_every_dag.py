"""Every DAG has what a DAG of Almanac must have, whichever file makes it; one that was made by hand is found."""

import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG, task

from almanac.config.home import MODELS_FOLDER, REPOSITORY
from almanac.config.sections.pipelines import DEFAULT_QUEUE, HEAVY_QUEUE, MAINTENANCE_QUEUE
from almanac_airflow.access.credentials import load_connections, try_to_load_connections
from almanac_airflow.notifiers.alert import AlertNotifier, EndNotifier
from almanac_airflow.policies import RETRIES, RETRY_POLICY
from tests.dags.test_backup_dags import awaited
from tests.dags.test_train_dag import LONG
from tests.dags.test_trigger_dags import PIPELINES, TRIGGERS
from tests.forecast.shop import declare as declare_forecast

KINDS_OF_A_MODEL = {
    *("ingest", "readmit", "maintain_data", "train", "score", "shadow", "monitor", "promote", "rollback"),
    *("rollback_drill", "rollout", "backup_model", "backup_data", "expire_outputs", "window", "reopen", "event"),
}
KINDS_OF_AN_OWNER = {"ingest", "readmit", "maintain_data"}  # of a dataset that several models share
KINDS_OF_A_FORECAST = {"ingest", "readmit", "maintain_data", "backup_data", "forecast", "adjust_forecast"}
OF_ALL = {"alerts", "backup_databases", "check_config", "cleanup", "restore", "restore_drill", "retention", "sweep"}
OF_ALL |= {"watch_search"}
# What differs on purpose; the reason stands where it is declared.
RETRIES_OF = {"alerts.attend": 0, "restore.restore": 0, "restore_drill.drill": 0, "restore_drill.disaster": 0}
CREDENTIALS_OF = {"alerts.attend": try_to_load_connections}
RUNS_OF = {"monitor_weather": 16, "monitor_ships": 16, "monitor_snow": 16, "window_weather": 3}
READERS = {"train": "train", "score": "score", "monitor": "watch"}  # DAGs with an operator that reads the dataset


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Those of two models, of which `weather` declares all that makes a DAG or a task of its own; `snow` shares."""
    from airflow.dag_processing.dagbag import DagBag

    models = tmp_path_factory.mktemp("home") / "models"
    shutil.copytree(MODELS_FOLDER, models)
    ships = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    weather = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    weather |= {"triggers": TRIGGERS, "pipelines": PIPELINES, "shadow": True}
    weather |= {"serve": {}, "rollout": {"unit": "Weather_conditions"}}
    weather["source"] = {"kind": "http", "connection": "port"}
    weather["train"]["triggers"]["change"] = True
    weather["train"]["candidates"]["forest"]["search"] = LONG
    snow = {name: part for name, part in ships.items() if name != "source"} | {"dataset": {"of": "ships"}}
    for name, declared in (("ships", ships), ("weather", weather), ("snow", snow)):
        (models / f"{name}.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    declare_forecast(models)
    installation = yaml.safe_load((models / "_installation.yaml").read_text("utf-8"))
    index = {"dataset": "weather", "indexers": {"hourly": {"start": True}}}
    installation["search_indexes"] = {"services": {"harbour": {"connection": "search", "indexes": {"ships": index}}}}
    (models / "_installation.yaml").write_text(yaml.safe_dump(installation), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALMANAC_HOME", str(models.parent))
        patch.setenv("ALMANAC_MODELS", str(models))
        bag = DagBag(str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


def given(task: Any, name: str) -> Any:
    """An argument of a task; a mapped one keeps what its tasks will be given."""
    return task.partial_kwargs.get(name) if task.is_mapped else getattr(task, f"_{name}_hook", None)


def has(callbacks: Any, notifier: type) -> bool:
    return any(isinstance(one, notifier) for one in (callbacks if isinstance(callbacks, Iterable) else [callbacks]))


def missing(dag: Any) -> set[str]:
    """What a DAG, or any of its tasks, lacks."""
    found = {
        "description": dag.description,
        "docs": "### When it fails" in (dag.doc_md or ""),
        "tags": dag.tags,
        "display name": dag.dag_display_name != dag.dag_id or "_" not in dag.dag_id,
        "access control": dag.access_control is not None,
        "one run at a time": dag.max_active_runs == RUNS_OF.get(dag.dag_id, 1),
    }
    for each in dag.tasks:
        name = f"{dag.dag_id}.{each.task_id}"
        of_task = {
            "owner": each.owner in ("almanac", "port-forecast", "shops"),
            "task docs": each.doc_md,
            "retries": each.retries == RETRIES_OF.get(name, RETRIES),
            "retry policy": each.retry_policy is RETRY_POLICY,
            "retry delay": each.retry_delay == timedelta(seconds=5),
            "credentials": given(each, "pre_execute") is CREDENTIALS_OF.get(name, load_connections),
            "alert of a failure": has(each.on_failure_callback, AlertNotifier),
            "end of an alert": has(each.on_success_callback, EndNotifier),
            "end of an alert when skipped": has(each.on_skipped_callback, EndNotifier),
            "queue": each.queue in (DEFAULT_QUEUE, HEAVY_QUEUE, MAINTENANCE_QUEUE),
        }
        found |= {what: found.get(what, True) and bool(holds) for what, holds in of_task.items()}
    return {what for what, holds in found.items() if not holds}


def test_dags_every_kind_is_there(dags: dict[str, Any]) -> None:
    expected = {f"{kind}_weather" for kind in KINDS_OF_A_MODEL} | OF_ALL | {"clock_weather_nightly"}
    assert expected <= set(dags)
    assert {f"{kind}_sales" for kind in KINDS_OF_A_FORECAST} == {name for name in dags if name.endswith("_sales")}
    assert "look_at_weather" in dags["check_config"].task_ids
    assert {"plan_search", "try_out"} <= set(dags["train_weather"].task_ids)
    assert "fetch" in dags["ingest_weather"].task_ids
    files = {path.stem for path in (REPOSITORY / "dags").glob("*.py")}
    assert {Path(dag.fileloc).stem for dag in dags.values()} == files  # no file whose DAGs are not looked at


def test_model_on_anothers_dataset_has_no_dag_that_writes_it_and_waits_for_the_owners(dags: dict[str, Any]) -> None:
    of_snow = {name.removesuffix("_snow") for name in dags if name.endswith("_snow")}
    assert of_snow == {name.removesuffix("_ships") for name in dags if name.endswith("_ships")} - KINDS_OF_AN_OWNER
    assert dags["backup_data_snow"].task_ids == ["outputs"]
    assert dags["backup_data_ships"].task_ids == ["dataset", "outputs"]
    waits = {kind: awaited(dags[f"{kind}_snow"]) for kind in ("train", "score", "backup_data")}
    assert waits["train"] >= {"dataset_ships"}
    assert waits["score"] == {"dataset_ships", "champion_snow"}
    assert waits["backup_data"] == {"predictions_snow"}
    readers = [dags[f"{kind}_snow"].get_task(name) for kind, name in READERS.items()]
    assert [one.inlets[0].name for one in readers] == ["dataset_ships"] * 3
    named = {each.name for dag in dags.values() for task in dag.tasks for each in (*task.inlets, *task.outlets)}
    assert not {"dataset_snow", "landing_snow"} & named


def test_dags_each_has_what_every_dag_must_have(dags: dict[str, Any]) -> None:
    assert {dag_id: lacks for dag_id, dag in dags.items() if (lacks := missing(dag))} == {}


def test_dag_made_by_hand_lacks_nearly_all_of_it() -> None:
    with DAG("by_hand", schedule=None) as dag:

        @task
        def work() -> None: ...

        work()

    assert missing(dag) >= {
        *("description", "docs", "tags", "display name", "access control", "one run at a time"),
        *("owner", "task docs", "retries", "retry policy", "retry delay", "credentials"),
        *("alert of a failure", "end of an alert", "end of an alert when skipped"),
    }


def test_model_dags_may_be_edited_by_the_roles_of_their_kind(dags: dict[str, Any]) -> None:
    from almanac_airflow.access.access import access_control

    roles = {kind: set(dags[f"{kind}_weather"].access_control) for kind in KINDS_OF_A_MODEL}
    assert roles == {kind: set(access_control(kind)) for kind in KINDS_OF_A_MODEL}
    assert roles["promote"] == {"Approver"}
    assert {name: set(dags[name].access_control) for name in OF_ALL} == {name: set() for name in OF_ALL}


def test_dag_watch_search_is_triggered_by_the_datasets_of_indexes_and_by_the_clock(dags: dict[str, Any]) -> None:
    timetable = dags["watch_search"].timetable
    assert timetable.asset_condition.name == "dataset_weather"
    assert timetable.timetable.expression == "*/10 * * * *"
