"""A real supervisord with small programs in the place of Airflow and MLflow, which give the same signs of life."""

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from almanac.config.home import REPOSITORY, Home
from almanac.services.environment import MARKER
from almanac.services.ports import Ports, any_free_port, ports_file
from almanac.services.supervision.leftovers import is_stopped
from almanac.services.supervision.lifetime import start_supervisor, stop_supervisor
from almanac.services.supervision.supervision import (
    WAITING,
    WATCHER,
    Program,
    config_file,
    log_file,
    render_config,
    statuses,
    supervisor_of,
)
from almanac.services.watch import signs
from tests.waiting import wait

# Writes its heartbeat as Airflow does, beside a task in a session of its own.
_JOB = """
import sqlite3, socket, subprocess, sys, time
from datetime import UTC, datetime
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("INSERT INTO job VALUES (?, ?, ?)", (sys.argv[2], socket.gethostname(), None))
row = database.execute("SELECT max(rowid) FROM job WHERE job_type = ?", (sys.argv[2],)).fetchone()[0]
while True:
    beat = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    database.execute("UPDATE job SET latest_heartbeat = ? WHERE rowid = ?", (beat, row))
    time.sleep(0.1)
"""
_SERVER = """
import sys
from http.server import SimpleHTTPRequestHandler, test
class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_): pass  # into a pipe that ends with the supervisor
test(Quiet, port=int(sys.argv[1]), bind="127.0.0.1")
"""
_LOOKS = """
import json, sys, time
while True:
    open(sys.argv[1], "w").write(json.dumps({"monotonic_s": time.monotonic()}))
    time.sleep(0.5)
"""


@dataclass(frozen=True)
class FakeServices:
    """The services of a home."""

    home: Home
    ports: Ports

    def pid(self, name: str) -> int:
        return {each.name: each.pid for each in statuses(self.home)}.get(name, 0)

    def tree(self, name: str) -> list[psutil.Process]:
        process = psutil.Process(self.pid(name))
        return [process, *process.children(recursive=True)]

    def suspend(self, name: str) -> psutil.Process:
        """Stop a service by a signal, while it does not hold the database's lock, for which all others would wait."""
        process = psutil.Process(self.pid(name))
        path = self.home.home / "airflow" / "airflow.db"
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            process.suspend()
            wait(lambda: is_stopped(process), f"{name} to be stopped")
        return process

    def beat(self, name: str) -> str:
        found = signs.heartbeats(self.home.airflow_database_url, signs.this_host())
        assert not isinstance(found, signs.Unanswered), found.why
        return found[name].isoformat() if name in found else ""

    def all_run(self) -> bool:
        found = statuses(self.home)
        return bool(found) and all(each.running for each in found)


def fake_home(root: Path) -> FakeServices:
    """A home with ports of its own, in which nothing runs."""
    home = Home(home=root)
    for folder in (root / "airflow", log_file(home, "x").parent):
        folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(root / "airflow" / "airflow.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE IF NOT EXISTS job (job_type TEXT, hostname TEXT, latest_heartbeat TEXT)")
    ports = Ports(airflow=any_free_port(), mlflow=any_free_port(), logs=any_free_port())
    ports_file(root).write_text(json.dumps(asdict(ports)), "utf-8")
    return FakeServices(home, ports)


def start(
    fake: FakeServices, *, without: str = "", with_parent: bool = True, said: Callable[[str], None] = lambda _: None
) -> None:
    """Start supervisord and all programs, but the one that is named; say so when half of them are."""
    root = fake.home.home

    def program(name: str, code: str, *arguments: str, autostart: bool = False) -> Program:
        path = root / f"{name}.py"
        path.write_text(code, "utf-8")
        return Program(name, (sys.executable, str(path), *arguments), autostart=autostart)

    database = str(root / "airflow" / "airflow.db")
    found = [program(name, _JOB, database, job) for name, job in signs.JOBS.items()]
    found.append(program("api-server", _SERVER, str(fake.ports.airflow)))
    found.append(program("mlflow", _SERVER, str(fake.ports.mlflow), autostart=True))
    found.append(program(WATCHER, _LOOKS, str(root / "services" / "watcher.json")))
    kept = [each for each in found if each.name != without]
    config_file(fake.home).write_text(render_config(fake.home, kept), "utf-8")
    environment = {**os.environ, MARKER: str(root), "PYTHONPATH": str(REPOSITORY / "include")}
    start_supervisor(fake.home, environment, with_parent=with_parent)
    said("starting the others")
    with supervisor_of(fake.home) as supervisor:
        supervisor.startProcessGroup(WAITING, False)
    wait(fake.all_run, "the programs to run")
    wait(lambda: all(fake.beat(name) for name in signs.JOBS), "heartbeats")
    urls = {"api-server": fake.ports.airflow_url, "mlflow": fake.ports.mlflow_url}
    wait(lambda: all(signs.answers(url) for url in urls.values()), "answers")


@contextmanager
def fake_services(root: Path, *, without: str = "") -> Iterator[FakeServices]:
    """They run inside a `with` block, and no longer."""
    fake = fake_home(root)
    try:
        start(fake, without=without)
        yield fake
    finally:
        stop_supervisor(fake.home, lambda _: None)
