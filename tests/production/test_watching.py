"""On Celery workers, which see no metadata, the monitor asks the REST API how its model's DAGs run."""

from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

RUNS = 6  # fewer than five ended tasks are not judged
HIDDEN = ("/connections", "/variables", "/pools", "/eventLogs")


@pytest.fixture(scope="module")
def findings(stack) -> dict[str, dict[str, Any]]:
    """The monitor runs some times; what its last run says of runs, by subject."""
    with stack.airflow() as airflow:
        for _ in range(RUNS):
            run = airflow.trigger("monitor_weather")
            assert airflow.wait(run.dag_id, run.run_id, timeout_s=180).state == "success"
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
