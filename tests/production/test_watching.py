"""On Celery workers, which see no metadata, monitors and alerts ask the REST API how DAGs run."""

from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import KILLED
from almanac.journal.journal import Journal
from almanac.services.airflow_api import AirflowClient, DagRun
from almanac.services.supervision.leftovers import processes_of
from demo.native.stack import NativeStack
from tests.production import small_weather
from tests.waiting import wait

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

RUNS = 6  # fewer than five ended tasks are not judged
HIDDEN = ("/connections", "/variables", "/pools", "/eventLogs")


@pytest.fixture(scope="module")
def findings(stack) -> dict[str, dict[str, Any]]:
    """The monitor runs some times; what its last run says of runs, by subject."""
    with stack.airflow() as airflow:
        for _ in range(RUNS):
            run = airflow.trigger("monitor_weather")
            assert airflow.wait(run.dag_id, run.run_id, timeout_s=600).state == "success"
        result: Any = airflow.xcom(run.dag_id, run.run_id, "watch")
    return {found["subject"]: found for found in result["findings"] if found["condition"] == "running"}


def test_monitor_on_a_worker_knows_how_the_dags_ran(findings) -> None:
    assert "airflow" not in findings  # which says that nobody could be asked
    assert "of 5 tasks failed (limit 20%)" in findings["monitor_weather"]["text"]


def test_monitor_s_user_may_look_at_runs_and_at_nothing_else(stack, findings) -> None:
    password = stack.secrets["AIRFLOW_MONITOR_PASSWORD"]
    with stack.airflow("monitor", password) as watcher, httpx.Client(base_url=stack.airflow_url) as plain:
        (run, *_) = watcher.runs("monitor_weather")
        token = plain.post("/auth/token", json={"username": "monitor", "password": password}).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        secret = (*HIDDEN, f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/watch/xcomEntries")
        for path in secret:
            assert plain.get(f"/api/v2{path}", headers=headers).status_code == 403, path
        made = plain.post("/api/v2/dags/monitor_weather/dagRuns", headers=headers, json={"logical_date": None})
        assert made.status_code == 403


def test_task_killed_in_its_last_try_is_reported_by_the_next_round(stack) -> None:
    """Airflow calls nothing back then; `check_every_yaml` has one try."""
    log = AlertLog(Journal(stack.home.journal_url))
    with stack.airflow() as airflow:
        run = airflow.trigger("check_config")
        wait(lambda: _kill(stack, airflow, run), "the task's process", timeout_s=480)
        assert airflow.wait(run.dag_id, run.run_id, timeout_s=600).state == "failed"
        for _ in range(2):  # anyone who was told is not told again
            small_weather.run(airflow, "alerts")
    (failed,) = [one for one in log.recent(limit=1000) if one.key == "check_config.check_every_yaml"]
    assert (failed.model, failed.times, failed.ended_at) == ("", 1, None)
    assert failed.message.error == KILLED
    assert quote(run.run_id, safe="") in failed.message.link

    with stack.airflow() as airflow:
        small_weather.run(airflow, "check_config")
    assert log.alert(failed.id).ended_at is not None


def _kill(stack: NativeStack, airflow: AirflowClient, run: DagRun) -> bool | None:
    """Kill the process of the run's task, when it has one, by the name that Airflow gives it."""
    task: Any = airflow.call("GET", f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/check_every_yaml")
    for process in processes_of(stack.root):
        with suppress(psutil.Error):
            if f"airflow worker -- {task['id']}" in " ".join(process.cmdline()):
                process.kill()
                return True
    return None
