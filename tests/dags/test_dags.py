"""The DAG files: light to parse, filled in for people, and one broken YAML takes nothing down."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from almanac.config.home import MODELS_FOLDER, REPOSITORY
from almanac.config.sections.pipelines import MAINTENANCE_QUEUE

FILES = ("ingest", "readmit", "maintain_data", "train", "score", "monitor", "promote", "rollback")
SINGLE_FILES = ("check_config", "alerts", "sweep")
HEAVY = [
    *("pandas", "numpy", "polars", "sklearn", "mlflow", "onnx", "onnxruntime", "skl2onnx"),
    *("great_expectations", "deltalake", "pyarrow", "scipy", "matplotlib"),
    *("almanac.journal.journal", "almanac.registry.store"),  # a task opens them, not who parses its file
]
PARSE = """
import importlib.util, json, pathlib, sys
import airflow.sdk, airflow.triggers.base  # what Airflow itself has imported before it parses a file
sys.path += {path}
known, found = set(sys.modules), {{}}
for file in sorted(pathlib.Path({folder!r}).glob("*.py")):
    spec = importlib.util.spec_from_file_location(f"dag_file_{{file.stem}}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found[file.stem] = sorted(name for name in {heavy} if name in set(sys.modules) - known)
    known = set(sys.modules)
print(json.dumps(found))
"""


def parse(folder: Path, tmp_path: Path) -> dict[str, list[str]]:
    """What each DAG file of a folder imports that is heavy, in one process: the first that imports a thing has it."""
    code = PARSE.format(
        path=[str(REPOSITORY / "include"), str(REPOSITORY / "plugins")], folder=str(folder), heavy=HEAVY
    )
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "ALMANAC_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment, timeout=120
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_dag_files_import_nothing_heavy(tmp_path: Path) -> None:
    found = parse(REPOSITORY / "dags", tmp_path)
    assert len(found) == len(list((REPOSITORY / "dags").glob("*.py")))
    assert {name: heavy for name, heavy in found.items() if heavy} == {}


def test_dags_one_of_each_kind(dags: dict[str, Any]) -> None:
    assert {*(f"{kind}_weather" for kind in FILES), *SINGLE_FILES} <= set(dags)


def test_dags_are_filled_in_for_people(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag.description
        assert dag.tags
        assert dag.doc_md
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.schema.get("title"), (dag.dag_id, name)
            assert param.description, (dag.dag_id, name)
        for task in dag.tasks:
            assert task.owner not in ("", "airflow")
            assert task.doc_md, (dag.dag_id, task.task_id)


def test_model_dags_show_the_effective_configuration(dags: dict[str, Any]) -> None:
    docs = dags["train_weather"].doc_md
    assert "max_runs_per_week: 7" in docs  # from _defaults.yaml
    assert "horizon: 4h" in docs  # from weather.yaml
    assert "docs/operations.md" in docs


def test_model_dags_run_one_at_a_time_and_do_not_catch_up(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        if dag.dag_id == "monitor_weather":  # a question may wait for days: other runs go on, one watch at a time
            assert dag.max_active_runs > 1
            assert dag.get_task("watch").max_active_tis_per_dag == 1
        else:
            assert dag.max_active_runs == 1
        assert dag.catchup is False


def test_model_tasks_retry_by_policy_and_alert(dags: dict[str, Any]) -> None:
    from airflow.sdk import RetryAction

    from almanac.errors import DataError, TransientError

    task = dags["ingest_weather"].get_task("ingest_batches")
    assert task.retries == 3
    assert task.retry_policy.evaluate(DataError("bad"), 1, 3).action is RetryAction.FAIL
    assert task.retry_policy.evaluate(TransientError("away"), 1, 3).action is RetryAction.RETRY
    assert task.retry_policy.evaluate(KeyError("bug"), 1, 3).action is RetryAction.DEFAULT
    assert task.on_failure_callback


def test_declared_models_broken_yaml_warns_and_leaves_the_others(tmp_path: Path) -> None:
    from almanac.config.home import Home
    from almanac_airflow.declarations import declared_models

    shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    (tmp_path / "models" / "broken.yaml").write_text("title: only\n", "utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        models = declared_models(Home(home=tmp_path, models=tmp_path / "models"))
    assert "weather" in [model.name for model in models]
    assert any("broken.yaml: owner: missing" in str(warning.message) for warning in caught)


@pytest.mark.parametrize("kind", ["http", "sql"])
def test_ingest_dag_fetches_first_where_the_source_is_not_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    path = tmp_path / "models" / "weather.yaml"
    text = path.read_text("utf-8").replace(
        "dataset:\n", f"source: {{kind: {kind}, connection: c{', query: SELECT 1' * (kind == 'sql')}}}\n\ndataset:\n", 1
    )
    (tmp_path / "models" / "fetched.yaml").write_text(text, "utf-8")
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    bag = DagBag(str(REPOSITORY / "dags" / "ingest.py"))
    assert bag.import_errors == {}
    assert "fetch" not in bag.dags["ingest_weather"].task_ids
    assert bag.dags["ingest_fetched"].get_task("fetch").downstream_task_ids == {"find_batches"}


@pytest.mark.parametrize("shadow", [True, False])
def test_shadow_adds_its_judgement_and_what_triggers_the_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shadow: bool
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    path = tmp_path / "models" / "weather.yaml"
    path.write_text(f"{path.read_text('utf-8')}\nshadow: {str(shadow).lower()}\n", "utf-8")
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    scoring, shadows, promotion = (
        DagBag(str(REPOSITORY / "dags" / f"{name}.py")).dags for name in ("score", "shadow", "promote")
    )
    assert scoring["score_weather"].task_ids == ["score"]  # no task of the champion's waits for one of a challenger's
    assert ("shadow_weather" in shadows) is shadow
    assert promotion["promote_weather"].timetable.can_be_scheduled is shadow
    if shadow:
        dag = shadows["shadow_weather"]
        assert dag.get_task("judge_shadow").upstream_task_ids == {"score_shadow"}
        assert dag.get_task("judge_shadow").trigger_rule == "none_failed"
        assert all(each.on_failure_callback for each in dag.tasks)
        assert dag.get_task("score_shadow").execution_timeout
        assert dag.deadline


def test_promotion_asks_before_it_promotes(dags: dict[str, Any]) -> None:
    for dag_id, before in (("train_weather", "register"), ("promote_weather", "propose")):
        dag = dags[dag_id]
        assert dag.get_task("approve").upstream_task_ids == {before}
        assert dag.get_task("promote").upstream_task_ids == {before, "approve"}
        assert dag.get_task("promote").trigger_rule == "none_failed_min_one_success"


def wants_an_entry(param: Any) -> bool:
    """Airflow's form (FlexibleForm) lets nobody go on while a field is empty whose type does not name null."""
    empty, types = param.resolve(suppress_exception=True) in (None, ""), param.schema["type"]
    return empty and (isinstance(types, str) or "null" not in types)


def test_questions_can_be_answered_as_their_form_opens(dags: dict[str, Any]) -> None:
    from airflow.providers.standard.operators.hitl import HITLOperator

    questions = [task for dag in dags.values() for task in dag.tasks if isinstance(task, HITLOperator)]
    assert {task.task_id for task in questions} == {"approve", "a_person_decides.ask"}
    for question in questions:
        assert [name for name in question.params if wants_an_entry(question.params.get_param(name))] == []


def test_tasks_that_read_the_databases_themselves_wait_for_the_worker_that_may(dags: dict[str, Any]) -> None:
    queues = {dag_id: {task.queue for task in dag.tasks} for dag_id, dag in dags.items()}

    may = {"alerts", "backup_databases", "cleanup", "restore", "restore_drill", "retention"}
    assert may <= set(queues)
    for dag_id, found in queues.items():
        assert (found == {MAINTENANCE_QUEUE}) == (dag_id in may), dag_id
        assert MAINTENANCE_QUEUE not in found or dag_id in may, dag_id
