"""On Celery workers, which see no metadata, the monitor asks the REST API how its model's DAGs run."""

from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

INGESTS = 6


@pytest.fixture(scope="module")
def findings(stack) -> dict[str, dict[str, Any]]:
    """Some runs, then the monitor; what it says of runs, by DAG."""
    with stack.airflow() as airflow:
        for _ in range(INGESTS):
            run = airflow.trigger("ingest_weather")
            assert airflow.wait(run.dag_id, run.run_id, timeout_s=180).state == "success"
        monitored = airflow.trigger("monitor_weather")
        assert airflow.wait(monitored.dag_id, monitored.run_id, timeout_s=180).state == "success"
        result: Any = airflow.xcom(monitored.dag_id, monitored.run_id, "watch")
    return {found["subject"]: found for found in result["findings"] if found["condition"] == "running"}


def test_monitor_on_a_worker_knows_how_the_dags_ran(findings) -> None:
    assert findings["ingest_weather"]["state"] == "fine", findings
    assert "tasks failed (limit 20%)" in findings["ingest_weather"]["text"]


def test_monitor_s_user_may_look_at_runs_and_at_nothing_else(stack) -> None:
    password = stack.secrets["AIRFLOW_MONITOR_PASSWORD"]
    with stack.airflow("monitor", password) as watcher, httpx.Client(base_url=stack.airflow_url) as plain:
        assert watcher.runs("ingest_weather")
        token = plain.post("/auth/token", json={"username": "monitor", "password": password}).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        for path in (
            "/connections",
            "/variables",
            "/pools",
            "/eventLogs",
            "/dags/ingest_weather/dagRuns/~/taskInstances/~/xcomEntries",
        ):
            assert plain.get(f"/api/v2{path}", headers=headers).status_code in (403, 404, 405), path
        made = plain.post("/api/v2/dags/ingest_weather/dagRuns", headers=headers, json={"logical_date": None})
        assert made.status_code == 403
