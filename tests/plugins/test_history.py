"""Who is asked how DAGs run: the server of the connection, or the home's own, or nobody."""

import json
from pathlib import Path

import pytest

from almanac.config.home import Home
from almanac.monitoring.checks.dag_health import NextRun
from almanac_airflow.access.connections import task_history
from tests.servers.http import Answer, Asked, HttpServer

VARIABLE = "AIRFLOW_CONN_ALMANAC_AIRFLOW"


def answer(asked: Asked) -> Answer:
    allowed = asked.headers.get("Authorization") == "Bearer a-token"
    body = {"is_paused": True, "next_dagrun_run_after": None}
    return Answer(content=json.dumps(body).encode()) if allowed else Answer(status=401, content=b"{}")


def test_task_history_asks_the_server_of_the_connection_with_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpServer(answer) as server:
        connection = {"conn_type": "http", "host": f"{server.url}/", "password": "a-token"}
        monkeypatch.setenv(VARIABLE, json.dumps(connection))
        history = task_history(Home(home=tmp_path))
        assert history is not None
        assert history.timing("train_weather") == NextRun(paused=True, due_at=None)
        assert server.asked[0].path == "/api/v2/dags/train_weather"


def test_task_history_without_a_connection_or_services_of_the_home_is_nobody(tmp_path: Path) -> None:
    assert task_history(Home(home=tmp_path)) is None
