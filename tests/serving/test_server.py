"""The service as a process: started by the command line, killed, ended, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from almanac.config.home import REPOSITORY
from almanac.data.table.delta_table import read_table
from almanac.services.ports import any_free_port
from tests.serving.world import DAY, Online, as_rows, next_hours
from tests.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running(online: Online, port: int, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service of a home whose registry is away: it starts with the version that it kept."""
    environment = {
        **os.environ,
        "ALMANAC_HOME": str(online.home.home),
        "ALMANAC_MODELS": str(online.home.models),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    command = [sys.executable, "-m", "almanac.cli", "serve", "--port", str(port), *more]
    process = subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL)
    try:

        def ready() -> bool:
            assert process.poll() is None, "it ended"
            try:
                return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
            except httpx.TransportError:
                return False

        wait(ready, "the service to be ready")
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow  # two starts; `test_answer_log.py` ships what a killed process left, `docs/serving.md` is played
def test_service_killed_and_started_again_has_each_answer_once(tmp_path: Path) -> None:
    online, port = Online(tmp_path), any_free_port()
    now = datetime.now(UTC)  # the process has a clock of its own
    token = online.service.tokens.create("process", models=("weather",), lasts=DAY, by="test", now=now)
    row, headers = as_rows(next_hours())[0], {"Authorization": f"Bearer {token}"}

    def ask() -> str:
        place = f"http://127.0.0.1:{port}/v1/models/weather/predict"
        said = httpx.post(place, json={"rows": [row]}, headers=headers, timeout=60)
        assert said.status_code == 200, said.text
        return str(said.json()["predictions"][0]["id"])

    asked = []
    with running(online, port) as process:
        asked += [ask() for _ in range(3)]
        process.send_signal(signal.SIGKILL)
        process.wait()
    with running(online, port) as process:
        asked += [ask() for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)

    assert sorted(read_table(online.home.answers_of("weather"))["id"].to_list()) == sorted(asked)


@pytest.mark.slow
def test_service_of_two_processes_counts_the_requests_of_both(tmp_path: Path) -> None:
    online, port = Online(tmp_path), any_free_port()
    token = online.service.tokens.create("process", models=("weather",), lasts=DAY, by="test", now=datetime.now(UTC))
    row, headers = as_rows(next_hours())[0], {"Authorization": f"Bearer {token}"}
    place = f"http://127.0.0.1:{port}"
    with running(online, port, "--workers", "2") as process:
        for _ in range(20):  # each by a connection of its own: the kernel chooses the process
            said = httpx.post(f"{place}/v1/models/weather/predict", json={"rows": [row]}, headers=headers, timeout=60)
            assert said.status_code == 200, said.text
        seen = {httpx.get(f"{place}/metrics", headers=headers, timeout=60).status_code for _ in range(10)}
        figures = httpx.get(f"{place}/metrics", headers=headers, timeout=60).text
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert seen == {200}
    assert 'almanac_serving_requests_total{model="weather",status="200"} 20.0' in figures
    assert 'almanac_serving_request_seconds_count{model="weather"} 20.0' in figures
    assert 'almanac_serving_ready{model="weather"} 1.0' in figures
