"""The guard of a service in a container, on real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from almanac.config.home import REPOSITORY
from almanac.services.environment import MARKER
from almanac.services.ports import any_free_port
from almanac.services.supervision.leftovers import processes_of
from almanac.services.watch import signs
from almanac.services.watch.guard import sign_of
from tests.servers.http import Answer, HttpServer
from tests.waiting import wait

# The guard with seconds instead of half minutes.
_IMPATIENT = """
import sys
from almanac.services.watch import guard, pulse, signs
guard.POLL_S = 0.2
signs.answers.__defaults__ = (0.5,)
guard.Limits = lambda: pulse.Limits(idle_s=2.0, busy_s=3600.0, start_s=3600.0)
guard.main(sys.argv[1:])
"""
_SERVICE = """
import signal, subprocess, sys
from http.server import SimpleHTTPRequestHandler, test
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
test(SimpleHTTPRequestHandler, port=int(sys.argv[2]), bind="127.0.0.1")
"""
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    def run(name: str, *command: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, MARKER: str(tmp_path), "PYTHONPATH": str(REPOSITORY / "include")}
        environment.pop("AIRFLOW_HOME", None)
        with (tmp_path / "log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-c", _IMPATIENT, name, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # it ends what it guards, and must not reach the tests
            )

    yield run
    for process in processes_of(tmp_path):
        with suppress(psutil.Error):
            process.kill()


@pytest.fixture
def server(start: Start, tmp_path: Path) -> "subprocess.Popen[bytes]":
    path, port = tmp_path / "service.py", any_free_port()
    path.write_text(_SERVICE)
    process = start("mlflow", sys.executable, str(path), "--port", str(port))
    wait(lambda: signs.answers(f"http://127.0.0.1:{port}/health"), f"an answer; see {tmp_path}/log")
    return process


def test_guard_service_that_hangs_is_killed_with_what_it_started(server, tmp_path):
    assert len(processes_of(tmp_path)) == 3  # service, its task, guard
    psutil.Process(server.pid).suspend()

    assert server.wait(180) == -signal.SIGKILL
    wait(lambda: processes_of(tmp_path) == [], "nothing to be left")
    assert "mlflow@" in (tmp_path / "log").read_text()
    assert "its process was stopped by a signal" in (tmp_path / "log").read_text()


def test_guard_service_keeps_its_signals_and_its_code_and_the_guard_ends_with_it(server, tmp_path):
    server.terminate()

    assert server.wait(180) == 7
    wait(lambda: len(processes_of(tmp_path)) == 1, "the guard to end")  # the task goes on, as without a guard
    assert "without a watcher" not in (tmp_path / "log").read_text()  # with it, not when it looks next


def test_sign_of_heartbeat_database_that_is_away_is_unknown(tmp_path):
    sign = sign_of("scheduler", [], {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/none.db"})

    assert sign() is None


def test_sign_of_server_is_another_one_at_each_answer():
    with HttpServer(lambda _: Answer()) as asked:
        sign = sign_of("api-server", ["airflow", "api-server"], {"AIRFLOW__API__PORT": asked.url.rpartition(":")[2]})
        assert sign() != sign() != ""
    assert sign() == ""
    assert {each.path for each in asked.asked} == {"/api/v2/monitor/health"}


def test_sign_of_worker_broker_that_is_away_is_unknown(monkeypatch):
    monkeypatch.setattr(signs, "ANSWER_S", 0.5)
    url = f"redis://127.0.0.1:{any_free_port()}/0"

    assert sign_of("worker", ["airflow", "celery", "worker"], {"AIRFLOW__CELERY__BROKER_URL": url})() is None


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["worker", "--celery-hostname", "worker-1@127.0.0.1"], "worker-1@127.0.0.1"),
        (["worker"], f"celery@{signs.this_host()}"),
    ],
)
def test_sign_of_worker_asks_the_one_of_this_container(command, name, monkeypatch):
    asked = []
    monkeypatch.setattr(signs, "worker_responds", lambda url, worker: asked.append((url, worker)) or False)

    assert sign_of("worker", command, {"AIRFLOW__CELERY__BROKER_URL": "redis://x"})() == ""
    assert asked == [("redis://x", name)]


def test_sign_of_the_service_is_that_it_lives_and_not_that_it_is_ready():
    with HttpServer(lambda _: Answer()) as asked:
        command = ["./almanac", "serve", "--host", "0.0.0.0", "--port", asked.url.rpartition(":")[2]]  # noqa: S104
        assert sign_of("serve", command, {})()
    assert {each.path for each in asked.asked} == {"/live"}
