"""The DAGs of backups: light to parse, filled in, triggered as declared."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from almanac.config.home import MODELS_FOLDER, REPOSITORY

OF_A_MODEL = ("backup_model", "backup_data", "expire_outputs")
OF_ALL = ("backup_databases", "retention", "restore_drill", "restore", "cleanup")


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    found: dict[str, Any] = {}
    for name in (*OF_A_MODEL, *OF_ALL):
        bag = DagBag(str(REPOSITORY / "dags" / f"{name}.py"))
        assert bag.import_errors == {}
        found |= bag.dags
    return found


def awaited(dag: Any) -> set[str]:
    """The assets whose events trigger a DAG."""

    def names(condition: Any) -> set[str]:
        if condition is None:
            return set()
        parts = getattr(condition, "objects", None)
        return {condition.name} if parts is None else {name for part in parts for name in names(part)}

    return names(dag.timetable.asset_condition)


def test_backup_dags_one_of_each_kind(dags: dict[str, Any]) -> None:
    assert set(dags) == {*(f"{name}_weather" for name in OF_A_MODEL), *OF_ALL}


def test_backup_dags_are_triggered_by_events_and_schedule(dags: dict[str, Any]) -> None:
    assert awaited(dags["backup_model_weather"]) == {"challenger_weather", "champion_weather"}
    assert awaited(dags["backup_data_weather"]) == {"dataset_weather", "predictions_weather"}
    assert type(dags["restore"].timetable).__name__ == "NullTimetable"


def test_backup_dags_show_how_they_are_configured(dags: dict[str, Any]) -> None:
    assert "max_deleted_share: 0.3" in dags["retention"].doc_md
    assert "at_most_every: 1h" in dags["backup_data_weather"].doc_md


def test_tasks_that_are_no_models_notify_what_the_installation_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    from almanac_airflow.notifiers.alert import EndNotifier

    shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    declared = tmp_path / "models" / "_installation.yaml"
    content = yaml.safe_load(declared.read_text("utf-8"))
    content["alerts"]["silent"] = ["start", "end"]
    declared.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    for name in (*OF_ALL, "alerts", "check_config"):
        bag = DagBag(str(REPOSITORY / "dags" / f"{name}.py"))
        assert bag.import_errors == {}
        for task in bag.dags[name].tasks:
            (failed,), (tried_again,) = task.on_failure_callback, task.on_retry_callback
            assert failed.alerts.channels == tried_again.alerts.channels != {}, task
            for ended_well in (task.on_success_callback, task.on_skipped_callback):
                assert any(isinstance(each, EndNotifier) for each in ended_well), task


def test_backup_data_without_publications_keeps_the_clock_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    defaults = tmp_path / "models" / "_defaults.yaml"
    defaults.write_text(defaults.read_text("utf-8").replace("after_publication: true", "after_publication: false"))
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    bag = DagBag(str(REPOSITORY / "dags" / "backup_data.py"))
    assert bag.import_errors == {}
    assert awaited(bag.dags["backup_data_weather"]) == set()


def test_installation_broken_warns_and_uses_what_is_built_in(tmp_path: Path) -> None:
    from almanac.config.home import Home
    from almanac_airflow.declarations import declared_installation

    (tmp_path / "_installation.yaml").write_text("backup: {workers: none}\n", "utf-8")
    with pytest.warns(UserWarning, match=r"_installation\.yaml: backup\.workers"):
        assert declared_installation(Home(home=tmp_path, models=tmp_path)).backup.workers == 2


def test_restore_drill_plays_the_loss_of_the_machine_when_it_is_due_or_asked_for(
    dags: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from almanac.backup.drill.drills import DISASTER, DrillResult
    from almanac.backup.installation import BackupRepositories
    from almanac.errors import IntegrityError
    from almanac.journal.records import RunRef
    from tests.backup.repositories import repository_at

    task = dags["restore_drill"].task_dict["disaster"]
    # Each failure makes the run red: a task behind another would decide alone.
    assert all(not one.downstream_task_ids for one in dags["restore_drill"].tasks)
    name = "20260601T000000.000000Z-" + "0" * 64
    played: list[str] = []

    def play(_home: Any, place: Any, _settings: Any, *, report: Any) -> DrillResult:
        played.append(place.uri)
        return DrillResult(DISASTER, name, 1, False, ("step 5 failed",), datetime.now(UTC), 1.0, 1.0, place.uri)

    due = [False]
    monkeypatch.setattr("almanac_airflow.access.credentials.backup_key", lambda: "")
    run_id = ["scheduled__2026-06-07"]
    monkeypatch.setattr("almanac_airflow.runs.current_run", lambda: RunRef("restore_drill", run_id[0]))
    monkeypatch.setattr(
        "almanac.backup.tasks.run_backup.repositories_of",
        lambda *_: BackupRepositories(repository_at(tmp_path / "first")),
    )
    monkeypatch.setattr("almanac.backup.tasks.run_backup.record_drill_results", lambda *_: None)
    monkeypatch.setattr("almanac.drills.run_drill.run_disaster_drill", play)
    monkeypatch.setattr("almanac.backup.drill.disaster_due.disaster_is_due", lambda *_, **__: due[0])
    form = {"place": "in turn", "disaster": False}
    with pytest.raises(AirflowSkipException, match="young enough"):
        task.python_callable(params=form)
    for due[0], asked in ((True, False), (False, True)):
        with pytest.raises(IntegrityError, match="step 5 failed"):
            task.python_callable(params=form | {"disaster": asked})
    run_id[0], due[0] = "manual__1", True
    with pytest.raises(AirflowSkipException, match="by hand"):
        task.python_callable(params=form)
    with pytest.raises(IntegrityError, match="step 5 failed"):
        task.python_callable(params=form | {"disaster": True})
    assert played == [str(tmp_path / "first")] * 3
