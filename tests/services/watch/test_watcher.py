"""The watcher on a real supervisord, and what is said of services, supervisor and watcher when they hang."""

from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.errors import TransientError
from almanac.services.overview import overview
from almanac.services.services import Services
from almanac.services.supervision.leftovers import is_stopped, processes_of
from almanac.services.supervision.supervision import statuses, supervisor_of, supervisor_process
from almanac.services.watch.outbox import ServiceAlert
from almanac.services.watch.watcher import Watcher, last_look_s
from tests.services.fake_services import FakeServices, fake_services
from tests.waiting import wait


class Told:
    """An outbox that keeps what it gets."""

    def __init__(self) -> None:
        self.alerts: list[ServiceAlert] = []

    def put(self, alert: ServiceAlert) -> None:
        self.alerts.append(alert)

    def process_due(self) -> bool:
        return True


class Watch:
    """A watcher for which five seconds pass between two looks, however long they take."""

    def __init__(self, fake: FakeServices) -> None:
        self.fake, self.now, self.told = fake, 1000.0, Told()
        self.watcher = Watcher(fake.home, fake.ports, self.told, clock=lambda: self.now, answer_s=1.0)
        self.watcher.look()

    def look(self, *silent: str) -> tuple[str, ...]:
        """Look when all but those have given a new sign."""
        beats = {name: self.fake.beat(name) for name in ("scheduler", "triggerer", "dag-processor")}
        for name in beats.keys() - set(silent):
            wait(lambda name=name: self.fake.beat(name) != beats[name], f"a heartbeat of {name}")
        self.now += 5.0
        return self.watcher.look()

    def look_until_one_hangs(self, *silent: str) -> tuple[str, ...]:
        """Its last sign may have come after the look before; then it is seven looks."""
        looks = [self.look(*silent)]
        while not looks[-1] and len(looks) < 7:
            looks.append(self.look(*silent))
        assert len(looks) >= 6
        return looks[-1]


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    with fake_services(tmp_path_factory.mktemp("fake")) as fake:
        yield fake


@pytest.fixture(autouse=True)
def _resumed(request):
    """A test that fails leaves nothing stopped to the next one."""
    yield
    if "fake" in request.fixturenames:
        for process in processes_of(request.getfixturevalue("fake").home.home):
            with suppress(psutil.Error):
                process.resume()


@pytest.fixture
def run(fake, monkeypatch) -> Callable:
    monkeypatch.setenv("ALMANAC_HOME", str(fake.home.home))
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("name", ["scheduler", "mlflow"])
def test_look_stopped_service_is_killed_with_its_tasks_started_again_and_reported(name, fake):
    wait(fake.all_run, "the programs to run")
    watch, before, tree = Watch(fake), {each.name: each.pid for each in statuses(fake.home)}, fake.tree(name)
    watch.look()
    fake.suspend(name)

    ill = watch.look_until_one_hangs(name)

    assert ill == (name,)
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in tree)
    wait(lambda: fake.pid(name) not in (0, before[name]), f"another {name}")
    assert {other for other, pid in before.items() if fake.pid(other) != pid} == {name}
    (alert,) = watch.told.alerts
    assert alert.subject == f"{name} hung and was restarted"
    assert "for 30 s; its process was stopped by a signal" in alert.words


def test_look_all_alive_restarts_nobody(fake):
    wait(fake.all_run, "the programs to run")
    watch = Watch(fake)

    assert [watch.look() for _ in range(8)] == [()] * 8
    assert watch.told.alerts == []
    assert last_look_s(fake.home) is not None


def test_look_api_server_stopped_restarts_no_other(fake):
    wait(fake.all_run, "the programs to run")
    watch, before = Watch(fake), {each.name: each.pid for each in statuses(fake.home)}
    fake.suspend("api-server")

    assert watch.look_until_one_hangs() == ("api-server",)
    wait(lambda: fake.pid("api-server") not in (0, before["api-server"]), "another api-server")
    assert all(fake.pid(name) == pid for name, pid in before.items() if name != "api-server")


def test_look_supervisor_that_hangs_is_reported_once(fake, monkeypatch):
    monkeypatch.setattr("almanac.services.supervision.supervision._ANSWER_S", 1.0)
    watch, process = Watch(fake), supervisor_process(fake.home)
    process.suspend()
    try:
        for _ in range(4):
            watch.now += 10.0
            watch.watcher.look()
    finally:
        process.resume()

    assert [alert.subject for alert in watch.told.alerts] == ["the supervisor of the services hangs"]


def test_supervisor_of_one_that_is_stopped_ends_with_words(fake):
    process = supervisor_process(fake.home)
    process.suspend()
    try:
        with (
            pytest.raises(TransientError, match="supervisor does not answer"),
            supervisor_of(fake.home, timeout_s=0.2) as supervisor,
        ):
            supervisor.getPID()
    finally:
        process.resume()


def test_status_all_alive_ends_with_0(fake, run):
    wait(lambda: overview(fake.home).healthy, "all to be healthy")

    done = run("status")

    assert done.exit_code == 0, done.output
    assert "HUNG" not in done.output


@pytest.mark.parametrize("name", ["scheduler", "mlflow", "watcher"])
def test_status_stopped_service_is_reported_to_hang(name, fake, run):
    process = fake.suspend(name)
    try:
        done, rows = run("status"), run("doctor").output
    finally:
        process.resume()

    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if line.startswith(name)]
    assert "HUNG" in line
    assert "SIGSTOP" in line
    assert "last heartbeat" in line or name != "scheduler"
    assert "HUNG" in rows


def test_status_silent_scheduler_that_runs_is_reported_to_hang(fake, run, monkeypatch):
    monkeypatch.setattr("almanac.services.overview._SILENT_S", -1.0)
    done = run("status")

    assert "; last heartbeat 0 s ago" in done.output
    assert done.exit_code == 1


def test_status_killed_supervisor_is_reported_and_down_ends_what_it_left(tmp_path, monkeypatch):
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    with fake_services(tmp_path, without="watcher") as fake:
        assert "MISSING" in CliRunner().invoke(app, ["status"]).output
        process, triggerer = supervisor_process(fake.home), psutil.Process(fake.pid("triggerer"))
        process.kill()
        process.wait(60)
        triggerer.suspend()  # now: what is stopped when its parent dies, the kernel ends

        output = CliRunner().invoke(app, ["status"])
        ended = CliRunner().invoke(app, ["down"])

        left = len(processes_of(fake.home.home))
    assert output.exit_code == 1
    assert "The supervisor is gone; 8 processes still run (pids " in output.output
    assert "`./almanac up` takes over" in output.output
    assert "killing the 8 processes that it left behind" in ended.output
    assert left == 0


def test_status_stopped_supervisor_is_reported_and_down_ends_everything(tmp_path, monkeypatch):
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    with fake_services(tmp_path) as fake:
        process = supervisor_process(fake.home)
        process.suspend()
        wait(lambda: is_stopped(process), "it to be stopped")

        output = CliRunner().invoke(app, ["status"])
        ended = CliRunner().invoke(app, ["down"])

        left = len(processes_of(fake.home.home))
    assert f"The supervisor (pid {process.pid}) hangs" in output.output
    assert output.exit_code == 1
    assert f"the supervisor (pid {process.pid}) does not answer; killing it" in ended.output
    assert left == 0


def test_up_starts_at_once_what_was_stopped_and_what_does_not_run(fake):
    wait(fake.all_run, "the programs to run")
    before, lines = {each.name: each.pid for each in statuses(fake.home)}, []
    fake.suspend("watcher")
    with supervisor_of(fake.home, timeout_s=60) as supervisor:
        supervisor.stopProcess("airflow:triggerer", True)

    Services(fake.home, report=lines.append)._start_missing()

    wait(fake.all_run, "the programs to run")
    assert {name for name, pid in before.items() if fake.pid(name) != pid} == {"watcher", "triggerer"}
    assert any("watcher was stopped by a signal" in line for line in lines)
    assert "triggerer is not running (STOPPED); starting it" in lines


def test_up_supervisor_that_is_stopped_does_not_count_as_one(fake):
    assert Services(fake.home)._supervised()
    process = supervisor_process(fake.home)
    process.suspend()
    try:
        wait(lambda: is_stopped(process), "it to be stopped")
        assert not Services(fake.home)._supervised()
    finally:
        process.resume()
