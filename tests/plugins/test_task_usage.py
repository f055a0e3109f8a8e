"""Every task of Almanac leaves a row in the ledger, and none fails for it."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk._shared.listeners.listener import ListenerManager
from airflow.sdk._shared.listeners.spec import lifecycle, taskinstance
from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.costs import usage
from almanac.costs.ledger import Ledger
from almanac.journal.journal import Journal
from almanac.journal.records import TaskUsage
from almanac_airflow import task_usage
from almanac_airflow.dags import make_dag
from almanac_airflow.operators.release import PromoteModelOperator
from almanac_airflow.plugin import AlmanacPlugin
from almanac_airflow.task_usage import UsageListener, note_version
from tests.costs.test_ledger import MONTH

# As the process of a task calls it: a hook whose arguments Airflow names otherwise would fail here.
_manager = ListenerManager()
_manager.add_hookspecs(lifecycle)
_manager.add_hookspecs(taskinstance)
_manager.add_listener(UsageListener())
LISTENER = _manager.hook


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setattr(task_usage, "_accounts", {})
    monkeypatch.setattr(task_usage, "_running", None)
    return Home()


def instance(dag_id: str, task: Any = None) -> SimpleNamespace:
    task = task or SimpleNamespace(queue="heavy")
    return SimpleNamespace(dag_id=dag_id, run_id="r", task_id="t", map_index=None, try_number=2, task=task)


def play(one: SimpleNamespace, end: str = "success", *, version: str = "") -> None:
    LISTENER.on_starting(component=TaskRunnerMarker())
    LISTENER.on_task_instance_running(previous_state=None, task_instance=one)
    if version:
        note_version(version)
    if end == "failed":
        LISTENER.on_task_instance_failed(previous_state=None, task_instance=one, error=None)
    elif end:
        getattr(LISTENER, f"on_task_instance_{end}")(previous_state=None, task_instance=one)
    LISTENER.before_stopping(component=TaskRunnerMarker())


def rows(home: Home) -> list[TaskUsage]:
    return list(Ledger(Journal(home.journal_url)).rows(MONTH.replace(year=2000)))


def test_make_dag_opens_the_account_of_its_tasks(home: Home) -> None:
    make_dag("train", find_model(MODELS_FOLDER, "weather"), purpose="p", schedule=None)
    play(instance("train_weather"), version="7")
    (row,) = rows(home)
    assert (row.model, row.pipeline, row.version, row.state) == ("weather", "train", "7", "success")
    assert (row.run.run_id, row.run.try_number, row.map_index, row.queue) == ("r", 2, -1, "heavy")
    assert row.peak_bytes > 10_000_000


@pytest.mark.parametrize(("end", "state"), [("failed", "failed"), ("skipped", "skipped"), ("", "left")])
def test_try_that_does_not_succeed_is_recorded_too(home: Home, end: str, state: str) -> None:
    task_usage.open_account("cleanup", "cleanup", "")
    play(instance("cleanup"), end)
    assert [row.state for row in rows(home)] == [state]


def test_operator_in_a_dag_of_a_team_is_recorded_and_a_foreign_one_is_not(home: Home) -> None:
    with DAG("ours", schedule=None):
        promote = PromoteModelOperator(task_id="promote", model="weather", version="4")
        foreign = BaseOperator(task_id="foreign")
    play(instance("ours", promote))
    play(instance("ours", foreign))
    assert [(row.model, row.pipeline, row.version) for row in rows(home)] == [("weather", "ours", "4")]


def test_what_its_process_used_before_the_try_is_the_tasks_and_without_one_it_is_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_usage.open_account("cleanup", "cleanup", "")
    clock = iter([(10.0, 0.0), (12.0, 5.0), (20.0, 6.0), (21.0, 8.0)])
    monkeypatch.setattr(task_usage, "measure_usage", lambda: usage.Usage(*(lambda c: (c[0], 1, c[1]))(next(clock))))
    play(instance("cleanup"))
    one = instance("cleanup")  # as `dag.test` does: in a process that has done other things
    LISTENER.on_task_instance_running(previous_state=None, task_instance=one)
    LISTENER.before_stopping(component=TaskRunnerMarker())
    assert [(row.cpu_s, row.wall_s) for row in rows(home)] == [(12.0, 5.0), (1.0, 2.0)]


def test_journal_that_is_away_fails_no_task(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALMANAC_JOURNAL_URL", "sqlite:////proc/nowhere/journal.db")
    task_usage.open_account("cleanup", "cleanup", "")
    with caplog.at_level(logging.WARNING):
        play(instance("cleanup"))
    assert "the ledger has no row for this try: TransientError" in caplog.text


def test_other_components_and_forks_of_a_task_write_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    LISTENER.on_starting(component=SimpleNamespace())
    LISTENER.before_stopping(component=SimpleNamespace())
    task_usage.open_account("cleanup", "cleanup", "")
    LISTENER.on_starting(component=TaskRunnerMarker())
    LISTENER.on_task_instance_running(previous_state=None, task_instance=instance("cleanup"))
    monkeypatch.setattr("os.getpid", lambda: 1)
    LISTENER.before_stopping(component=TaskRunnerMarker())
    assert rows(home) == []


def test_plugin_hands_the_listener_to_airflow() -> None:
    assert [type(one) for one in AlmanacPlugin.listeners] == [UsageListener]
