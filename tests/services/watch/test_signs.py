import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.services.watch import signs
from tests.servers.http import Answer, HttpServer
from tests.servers.silent import silent_server

HOST = socket.gethostname()
# Ahead, so that no pace of this machine makes it old.
NOW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database in which a scheduler has reported on this host, now and in its life before, and one elsewhere."""
    rows = [
        ("SchedulerJob", HOST, NOW - timedelta(hours=1)),
        ("SchedulerJob", HOST, NOW),
        ("SchedulerJob", f"other{HOST}", NOW + timedelta(hours=1)),
        ("TriggererJob", f"{HOST}.example.org", NOW - timedelta(days=2)),
        ("DagProcessorJob", HOST, None),
        ("LocalTaskJob", HOST, NOW),
    ]
    with closing(sqlite3.connect(tmp_path / "a %.db")) as database:
        database.execute("CREATE TABLE job (job_type TEXT, hostname TEXT, latest_heartbeat TEXT)")
        stored = [(job, host, beat and beat.replace(tzinfo=None).isoformat(" ")) for job, host, beat in rows]
        database.executemany("INSERT INTO job VALUES (?, ?, ?)", stored)
        database.commit()
    return f"sqlite:///{tmp_path}/a %25.db?timeout=60"


def test_heartbeats_are_the_newest_of_this_host(url):
    assert signs.heartbeats(url, HOST) == {"scheduler": NOW, "triggerer": NOW - timedelta(days=2)}


def test_heartbeats_no_database_is_unanswered_and_makes_none(tmp_path):
    found = signs.heartbeats(f"sqlite:///{tmp_path}/none.db", HOST)

    assert "unable to open" in found.why
    assert list(tmp_path.iterdir()) == []


def test_heartbeats_postgres_that_hangs_is_unanswered():
    with silent_server() as port:
        found = signs.heartbeats(f"postgresql+psycopg2://almanac:x@127.0.0.1:{port}/airflow", HOST, 0.5)

    assert "timeout expired" in found.why


@pytest.mark.parametrize("status", [200, 404, 500])
def test_answers_whatever_the_server_says(status):
    with HttpServer(lambda _: Answer(status)) as server:
        assert signs.answers(f"{server.url}/health")
        assert server.asked[0].path == "/health"


def test_answers_server_that_hangs_or_is_away_does_not():
    with silent_server() as port:
        assert not signs.answers(f"http://127.0.0.1:{port}/health", 0.2)
    assert not signs.answers(f"http://127.0.0.1:{port}/health", 0.2)


def test_worker_answers_broker_that_hangs_or_is_away_is_unanswered(monkeypatch):
    monkeypatch.setattr(signs, "ANSWER_S", 0.5)
    waited: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", waited.append)
    with silent_server() as port:
        assert isinstance(signs.worker_responds(f"redis://127.0.0.1:{port}/0", "celery@x"), signs.Unanswered)
    assert isinstance(signs.worker_responds(f"redis://127.0.0.1:{port}/0", "celery@x"), signs.Unanswered)
    assert waited == []  # whoever asks comes again by itself


@pytest.mark.parametrize(
    ("service", "code", "words"),
    [
        ("scheduler", 0, "last heartbeat"),
        ("triggerer", 1, "last heartbeat"),
        ("dag-processor", 0, "no heartbeat yet"),
    ],
)
def test_alive_ends_with_1_only_for_who_is_silent_for_long(service, code, words, url):
    done = probe(service, url)

    assert (done.returncode, words in done.stdout) == (code, True), done.stdout + done.stderr


def test_alive_database_that_is_away_ends_no_pod(tmp_path):
    done = probe("scheduler", f"sqlite:///{tmp_path}/none.db")

    assert (done.returncode, "cannot tell" in done.stdout) == (0, True)


def probe(service: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH")}
    environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url
    return subprocess.run(
        [sys.executable, "-m", "almanac.services.watch.alive", service],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
