"""Several processes of the service say the figures of all, whichever is asked; a dead one has no state any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from almanac.config.home import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

# What a process of the service does with its metrics, without the service.
WORKER = """
import json, sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from almanac.serving.metrics import Metrics

given = json.loads(sys.argv[1])
now = datetime(2026, 1, 1, tzinfo=UTC)
looked = now - timedelta(seconds=given["age_s"])
model = SimpleNamespace(served=given["served"] or None, share=.2, unmirrored=3, problems={}, refreshed_at=looked)
log = SimpleNamespace(lost=given["lost"], waiting_bytes=lambda: 7)
metrics = Metrics()
metrics.count("weather", 200, rows={"champion": given["rows"]}, seconds=.01)
metrics.observe({"weather": model}, log)
print("counted", flush=True)
sys.stdin.readline()
print(metrics.render({"weather": model}, log, now)[0].decode() if given["asked"] else "", flush=True)
"""


class Process:
    """One process of the service."""

    def __init__(self, folder: Path, **given: object) -> None:
        said = {"rows": 1, "lost": 0, "served": True, "age_s": 0, "asked": False} | given
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, json.dumps(said)],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "counted\n"

    def end(self) -> str:
        return self.process.communicate("go\n")[0]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the last of three processes says; the first is dead."""
    folder = tmp_path_factory.mktemp("metrics")
    Process(folder, rows=5, lost=2, served=False, age_s=999).end()
    other = Process(folder, rows=10, age_s=40)
    asked = Process(folder, rows=100, asked=True)
    text = asked.end()
    other.end()
    return text


def test_counters_are_those_of_all_processes(said: str) -> None:
    assert 'almanac_serving_requests_total{model="weather",status="200"} 3.0' in said
    assert 'almanac_serving_rows_total{arm="champion",model="weather"} 115.0' in said
    assert 'almanac_serving_request_seconds_count{model="weather"} 3.0' in said
    assert "almanac_serving_log_lost_rows 2.0" in said
    assert 'almanac_serving_unmirrored_requests{model="weather"} 9.0' in said


def test_state_is_that_of_the_worst_process_that_lives(said: str) -> None:
    assert 'almanac_serving_ready{model="weather"} 1.0' in said
    assert 'almanac_serving_refreshed_seconds{model="weather"} 40.0' in said
    assert "almanac_serving_log_waiting_bytes 7.0" in said
    assert "refreshed_at" not in said
