"""The real services: healthy, closed to strangers, and gone when they are stopped."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psutil
import pytest

from almanac.config.home import REPOSITORY, Home
from almanac.errors import PermanentError
from almanac.services import doctor
from almanac.services.airflow_api import AirflowClient
from almanac.services.overview import overview
from almanac.services.services import Services
from almanac.services.supervision.leftovers import processes_of
from tests.waiting import wait

pytestmark = pytest.mark.e2e


def test_services_all_processes_are_healthy(services):
    assert {each.name for each in services.status() if each.running} == {
        "mlflow",
        "scheduler",
        "api-server",
        "dag-processor",
        "triggerer",
        "watcher",
    }
    with services.airflow() as airflow:
        assert airflow.health().unhealthy == ()


def test_services_all_give_a_sign_of_life(services):
    assert wait(lambda: overview(services.home).healthy, "the watcher's first look")


def test_services_the_project_s_dags_are_read(services):
    with services.airflow() as airflow:
        assert airflow.import_problems() == ()
        assert "check_config" in airflow.dag_ids()


@pytest.mark.parametrize("path", ["/api/v2/dags", "/api/v2/connections", "/api/v2/variables"])
def test_airflow_without_a_token_answers_401(services, path):
    assert httpx.get(services.airflow_url + path).status_code == 401


def test_airflow_wrong_password_is_refused(services):
    with AirflowClient(services.airflow_url, "admin", "admin") as airflow, pytest.raises(PermanentError):
        airflow.login()


@pytest.mark.parametrize("auth", [None, ("admin", "password1234"), ("admin", "admin")])
def test_mlflow_without_the_password_answers_401(services, auth):
    url = f"{services.mlflow_url}/api/2.0/mlflow/experiments/get?experiment_id=0"

    assert httpx.get(url, auth=auth).status_code == 401


def _listened_on(process: psutil.Process) -> list[str]:
    """Where a process listens; nowhere when it has ended since it was listed."""
    with suppress(psutil.NoSuchProcess):
        connections = process.net_connections(kind="inet")
        return [one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN]
    return []


def test_services_listen_on_loopback_only(services):
    listening = {address for process in processes_of(services.home.home) for address in _listened_on(process)}

    assert listening == {"127.0.0.1"}


def test_services_logs_hold_no_secret(services):
    texts = [
        path.read_text(errors="replace")
        for folder in ("services", "airflow/logs")
        for path in (services.home.home / folder).rglob("*")
        if path.is_file()
    ]

    assert texts
    for name, value in vars(services.credentials).items():
        assert not any(value in text for text in texts), name


def test_up_second_time_says_that_they_run_and_starts_nothing(services):
    before = {each.name: each.pid for each in services.status()}

    assert services.up() is False
    assert {each.name: each.pid for each in services.status()} == before


def test_services_process_that_is_killed_comes_back(services):
    before = {each.name: each.pid for each in services.status()}["triggerer"]
    psutil.Process(before).kill()

    def back() -> bool:
        now = {each.name: each for each in services.status()}["triggerer"]
        return now.running and now.pid != before

    deadline = time.monotonic() + 30
    while not back() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert back(), "the triggerer did not come back within 30 s"


def test_doctor_running_services_have_no_failure(services):
    # A service that an earlier test killed is still starting: it becomes healthy, or this test fails.
    def failures() -> list[doctor.Check]:
        return [row for row in doctor.examine(services.home) if row.state == "fail" and row.name != "packages"]

    wait(lambda: not failures(), "no failed check")
    assert failures() == []


# Where the tests run in the background of a shell, SIGINT is ignored, and Python leaves it so.
HOLD = """
import signal, sys, time
from pathlib import Path
from almanac.config.home import Home
from almanac.services.services import Services
signal.signal(signal.SIGINT, signal.default_int_handler)
with Services(Home(home=Path(sys.argv[1])), report=lambda text: print(text, flush=True)).running():
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def other_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home beside that of the session, started and ended several times."""
    home = Home(home=tmp_path_factory.mktemp("other-home"))
    yield home
    Services(home).down()


# Stacks of their own; the same with small programs, quickly: tests/services/supervision/test_lifetime.py.
@pytest.mark.slow
def test_down_ends_everything_and_touches_no_other_home(services, other_home):
    other = Services(other_home)

    assert other.up() is True
    assert other.ports.airflow != services.ports.airflow
    assert other.down() is True
    assert processes_of(other_home.home) == []
    assert other.down() is False
    with services.airflow() as airflow:
        assert airflow.health().unhealthy == ()


# By an exception while half of it runs; and by what no code can catch, when all of it does.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("last_words", "ended_by"),
    [("starting Airflow", signal.SIGINT), ("starting Airflow", signal.SIGTERM), ("up", signal.SIGKILL)],
)
def test_running_ended_by_a_signal_leaves_no_process(other_home, last_words, ended_by):
    root = other_home.home
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # no signal of it, or to it, is one of the tests' processes
    )
    try:
        assert holder.stdout is not None
        assert any(line.startswith(last_words) for line in holder.stdout), "it ended too early"
        holder.send_signal(ended_by)
        holder.wait(60)
        deadline = time.monotonic() + 45
        while processes_of(root) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert processes_of(root) == []
    finally:
        holder.kill()
        holder.communicate()
