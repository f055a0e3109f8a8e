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

from almanac.config.home import REPOSITORY
from almanac.data.table.delta_table import read_table
from almanac.services.ports import any_free_port
from tests.serving.world import DAY, Online, as_rows, next_hours
from tests.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running(online: Online, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The service of a home whose registry is away: it starts with the version that it kept."""
    environment = {
        **os.environ,
        "ALMANAC_HOME": str(online.home.home),
        "ALMANAC_MODELS": str(online.home.models),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    command = [sys.executable, "-m", "almanac.cli", "serve", "--port", str(port)]
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
