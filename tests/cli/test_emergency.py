"""What a person runs while something is broken ends within seconds, and says what does not answer."""

import base64
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import EMERGENCY, app, main
from almanac.config.credentials import load_or_create
from almanac.config.home import Home
from almanac.config.patience import VARIABLE, mlflow_settings, patience, short_patience
from almanac.errors import TransientError
from almanac.journal.journal import Journal
from almanac.services.ports import Ports, ports_file
from almanac.services.supervision.supervision import services_folder, socket_file
from tests.servers.silent import port_of, silent_listener, silent_server, silent_socket, times_asked

REASON = ("--reason", "a test of patience")
# Far more than a second of patience, and far less than a task's minutes.
_LIMIT_S = 90


@contextmanager
def limited(words: tuple[str, ...]) -> Iterator[None]:
    """Fail when a block takes far longer than any patience of a second."""

    def late(*_: object) -> None:
        raise AssertionError(f"{words}: not ended after {_LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in [name for name in os.environ if name.startswith("MLFLOW_HTTP")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_BACKUP_KEY", base64.b64encode(bytes(32)).decode())
    monkeypatch.setenv(VARIABLE, "1")
    services_folder(Home()).mkdir()
    return Home()


def said(*words: str) -> str:
    """Run a command that cannot succeed; its words, which are no traceback of a stranger."""
    with limited(words):
        done = CliRunner().invoke(app, list(words))
    assert done.exit_code != 0
    assert done.exception is None or isinstance(done.exception, TransientError | SystemExit), repr(done.exception)
    return done.output + str(done.exception)


@pytest.mark.parametrize("words", [("rollback", "weather", *REASON), ("promote", "weather@1", *REASON)])
def test_mlflow_that_hangs_is_reported(words, home, monkeypatch):
    load_or_create(home.home)
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "x")
    with silent_listener() as listening:
        ports_file(home.home).write_text(json.dumps(asdict(Ports(mlflow=port_of(listening)))))
        output = said(*words)
        assert times_asked(listening) == 1

    assert "MLflow is away" in output
    assert "read timeout=1" in output
    assert "./almanac doctor" in output


JOURNAL = [
    ("alerts", "list"),
    ("alerts", "show", "1"),
    ("alerts", "ack", "1"),
    ("scoring", "status", "weather"),
    ("scoring", "stop", "weather", *REASON),
    ("scoring", "resume", "weather", *REASON),
]


@pytest.mark.parametrize("words", JOURNAL, ids=" ".join)
def test_postgres_that_hangs_is_reported(words, home, monkeypatch):
    with silent_server() as port:
        monkeypatch.setenv("ALMANAC_JOURNAL_URL", f"postgresql+psycopg2://almanac:x@127.0.0.1:{port}/almanac")
        output = said(*words)

    assert "no answer within 1 s" in output
    assert "check that the database is up" in output


def test_journal_that_another_process_keeps_locked_is_reported(home):
    Journal(home.journal_url).alerts()
    with closing(sqlite3.connect(home.home / "journal.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        output = said("scoring", "stop", "weather", *REASON)

    assert "database is locked" in output


@pytest.mark.parametrize("words", [("list",), ("show", "group/all")], ids=" ".join)
def test_object_store_that_hangs_is_reported(words, home, monkeypatch):
    with silent_listener() as listening:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port_of(listening)}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "r",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "ALMANAC_BACKUPS": "s3://bucket/backups",
        }.items():
            monkeypatch.setenv(name, value)
        output = said(*words)
        assert times_asked(listening) == 1

    assert "s3://bucket/backups" in output


def test_status_supervisor_socket_that_nobody_answers(home):
    with silent_socket(socket_file(home)):
        assert "The services are down" in said("status")


def test_down_supervisor_socket_that_nobody_answers(home):
    with silent_socket(socket_file(home)), limited(("down",)):
        done = CliRunner().invoke(app, ["down"])

    assert "The services were not running" in done.output


def test_emergency_commands_are_those_that_are_promised():
    names = {group.name for group in app.registered_groups}
    names |= {each.name or each.callback.__name__ for each in app.registered_commands}

    assert set(EMERGENCY) <= names
    assert {"rollback", "promote", "status", "doctor", "alerts", "scoring", "down", "list", "show"} <= set(EMERGENCY)


def test_short_patience_two_answers_that_never_come_take_less_than_ten_seconds(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with short_patience():
        waits = patience()

    assert 2 * waits.answer_s * (1 + waits.retries) < 10


@pytest.mark.parametrize("wrong", ["", "soon", "-1", "0", "inf", "nan"])
def test_short_patience_of_no_sensible_length_is_the_usual(wrong, monkeypatch):
    monkeypatch.setenv(VARIABLE, wrong)
    with short_patience():
        assert patience().answer_s == 4.0


def test_short_patience_ends_with_its_block(home):
    with short_patience():
        os.environ.update(mlflow_settings())
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"

    assert not patience().short
    assert not [name for name in os.environ if name.startswith("MLFLOW_HTTP")]


def test_main_says_how_to_wait_longer(home, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["almanac", "scoring", "stop", "weather", *REASON])
    Journal(home.journal_url).alerts()
    with closing(sqlite3.connect(home.home / "journal.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with limited(("scoring", "stop")), pytest.raises(SystemExit):
            main()

    assert "set ALMANAC_PATIENCE_S=60 in its environment to wait longer" in capsys.readouterr().err
