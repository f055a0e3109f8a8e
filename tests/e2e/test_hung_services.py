"""Real services that are stopped by a signal, and a supervisor that is killed or stopped: noticed, told, made good."""

import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest
import yaml

from almanac.config.home import MODELS_FOLDER, REPOSITORY, Home
from almanac.services.overview import overview
from almanac.services.services import Services
from almanac.services.supervision.leftovers import processes_of
from almanac.services.supervision.supervision import supervisor_process
from demo.sink import WebhookSink
from tests.waiting import wait

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SERVICES = ("scheduler", "triggerer", "dag-processor", "api-server", "mlflow")


@pytest.fixture(scope="module")
def sink() -> Iterator[WebhookSink]:
    with WebhookSink() as sink:
        yield sink


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, sink: WebhookSink) -> Iterator[Services]:
    root = tmp_path_factory.mktemp("hung")
    shutil.copytree(MODELS_FOLDER, root / "models")
    installation = root / "models" / "_installation.yaml"
    document = yaml.safe_load(installation.read_text("utf-8"))
    document["alerts"] = {"channels": {"webhook": {"kind": "webhook", "connection": "almanac_webhook"}}}
    installation.write_text(yaml.safe_dump(document), "utf-8")
    home = Home(home=root, models=root / "models")
    services = Services(home, extra={"AIRFLOW_CONN_ALMANAC_WEBHOOK": sink.connection}, report=print)
    with services.running():
        yield services


def command(services: Services, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ALMANAC_HOME": str(services.home.home), "ALMANAC_MODELS": str(services.home.models)}
    return subprocess.run(
        [REPOSITORY / "almanac", *words], env=environment, capture_output=True, text=True, check=False
    )


def state(services: Services, name: str) -> str:
    return {each.name: each.state for each in overview(services.home).services}.get(name, "")


def told(sink: WebhookSink, words: str) -> bool:
    return any(words in str(each) for each in sink.received)


@pytest.mark.parametrize("name", SERVICES)
def test_hung_service_is_shown_restarted_and_reported(name, running, sink):
    wait(lambda: overview(running.home).healthy, "all services", 300)
    before = {each.name: each.pid for each in running.status()}
    for process in [psutil.Process(before[name]), *psutil.Process(before[name]).children(recursive=True)]:
        process.suspend()
    began = time.monotonic()
    shown = command(running, "status")
    assert shown.returncode == 1
    assert f"{name:15} HUNG" in shown.stdout

    wait(lambda: {each.name: each.pid for each in running.status()}[name] != before[name], f"a new {name}")
    restarted_s = time.monotonic() - began
    wait(lambda: told(sink, f"{name} hung and was restarted"), "an alert")
    told_s = time.monotonic() - began
    wait(lambda: overview(running.home).healthy, "all services", 300)
    healthy_s = time.monotonic() - began
    log.warning("%s: killed after %.0f s, told %.0f s, healthy %.0f s", name, restarted_s, told_s, healthy_s)
    after = {each.name: each.pid for each in running.status()}
    assert {other for other in before if after[other] != before[other]} == {name}
    assert command(running, "status").returncode == 0


def test_supervisor_killed_services_are_shown_reported_and_taken_over(running, sink):
    before = {each.pid for each in running.status()}
    process = supervisor_process(running.home)
    assert process is not None
    process.kill()

    shown = command(running, "status")

    assert shown.returncode == 1
    assert "The supervisor is gone" in shown.stdout
    assert "`./almanac up` takes over" in shown.stdout
    wait(lambda: told(sink, "the supervisor of the services is gone"), "an alert")
    assert running.up() is True
    assert overview(running.home).healthy
    assert not before & {each.pid for each in processes_of(running.home.home)}


def test_supervisor_stopped_is_shown_and_down_ends_everything(running):
    process = supervisor_process(running.home)
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    scheduler = next(each.pid for each in processes_of(running.home.home) if "scheduler" in " ".join(each.cmdline()))
    psutil.Process(scheduler).suspend()

    shown = command(running, "status")
    assert (shown.returncode, f"(pid {process.pid}) hangs" in shown.stdout) == (1, True)
    ended = command(running, "down")

    assert "does not answer; killing it and all that it started" in ended.stdout
    assert processes_of(running.home.home) == []
    assert command(running, "status").stdout.startswith("The services are down")
