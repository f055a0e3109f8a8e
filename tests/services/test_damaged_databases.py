"""Every kind of damage to every database is named, with the way to have it back, by anyone who meets it."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.last_resort import LastResort
from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.backup.subjects.sqlite import sqlite_draft
from almanac.backup.tasks.run_backup import run_backup
from almanac.config.home import Home
from almanac.config.sections.alerts import Alerts, Channel
from almanac.errors import DamagedDatabaseError, TransientError
from almanac.journal.damage import make_database, whole_file_problem
from almanac.journal.exclusive import exclusive
from almanac.journal.file_checks import FileChecks
from almanac.journal.journal import Journal
from almanac.journal.records import DeliveredAlert, RunRef
from almanac.journal.table_marks import TableMarks
from almanac.registry.store import Registry
from almanac.services.databases import create_databases, database_files, migrate_airflow
from almanac.services.loss_checks import database_rows
from tests.data.installation import NOW, RUN

NAMES = ("journal", "mlflow", "airflow")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three databases of some pages."""
    root = tmp_path_factory.mktemp("sound")
    home = Home(home=root)
    journal = Journal(home.journal_url)
    for number in range(400):
        journal.record_alert(DeliveredAlert("weather", "info", f"title {number}", "text " * 40, "log", True, NOW, RUN))
    create_databases(home)
    for name in ("mlflow", "airflow"):
        with closing(sqlite3.connect(database_files(home)[name])) as connection, connection:
            connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
            connection.execute("CREATE TABLE registered_models (name TEXT, creation_time INTEGER)")
            rows = [(f"model {number} " * 20, number) for number in range(2000)]
            connection.executemany("INSERT INTO registered_models VALUES (?, ?)", rows)
    for path in database_files(home).values():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return root


@pytest.fixture
def home(sound: Path, tmp_path: Path) -> Home:
    shutil.copytree(sound, tmp_path / "home")
    return Home(home=tmp_path / "home")


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: 4096 * 2 + 100])


def overwrite_header(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.write(b"\0" * 100)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_pages(path: Path) -> None:
    """All pages but the first: anyone who reads anything meets one."""
    pages = path.stat().st_size // 4096
    with path.open("r+b") as stream:
        for page in range(1, pages):
            stream.seek(4096 * page)
            stream.write(b"\xff" * 64)


def put_text(path: Path) -> None:
    path.write_text("this is no database\n" * 500)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (cut, overwrite_header, empty, flip_pages, put_text, put_folder)


def damage(home: Home, name: str, how: Callable[[Path], None]) -> Path:
    path = database_files(home)[name]
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").unlink()
    how(path)
    return path


def back_up(home: Home, name: str) -> object:
    with sqlite_draft(name, database_files(home)[name]) as draft:
        return draft


JOURNAL_USERS: dict[str, Callable[[Home], object]] = {
    "write": lambda home: Journal(home.journal_url).record_alert(
        DeliveredAlert("m", "info", "t", "t", "log", True, NOW, RUN)
    ),
    "read": lambda home: Journal(home.journal_url).alerts(),
    "batches": lambda home: Journal(home.journal_url).batches("weather"),
    "alerts list": lambda home: AlertLog(Journal(home.journal_url)).unclosed(),
    "marks": lambda home: TableMarks(Journal(home.journal_url)).find("dataset/weather"),
    "file checks": lambda home: FileChecks(Journal(home.journal_url)).all(),
}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("use", JOURNAL_USERS.values(), ids=JOURNAL_USERS)
def test_journal_that_is_damaged_is_named_to_anyone_who_uses_it(
    home: Home, use: Callable[[Home], object], how: Callable[[Path], None]
) -> None:
    path = damage(home, "journal", how)

    with pytest.raises(
        DamagedDatabaseError,
        match=rf"{path}: .*'journal' is damaged.*almanac restore database/journal --live --replace",
    ):
        use(home)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", DAMAGES)
def test_doctor_names_each_database_that_is_damaged(home: Home, name: str, how: Callable[[Path], None]) -> None:
    damage(home, name, how)

    rows = {row[0]: row for row in database_rows(home)}

    _, state, seen, todo = rows.pop(f"database {name}")
    assert state == "fail"
    assert f"the database {name!r} is damaged" in seen
    assert f"almanac restore database/{name} --live --replace" in todo
    assert {row[1] for row in rows.values()} == {"ok"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", DAMAGES)
def test_backup_of_a_damaged_database_is_refused(home: Home, name: str, how: Callable[[Path], None]) -> None:
    """An empty file would be copied as an empty database, and be the newest snapshot."""
    damage(home, name, how)

    with pytest.raises(DamagedDatabaseError, match=rf"{name}.db: the database {name!r} is damaged.*restore database/"):
        back_up(home, name)


def test_doctor_looks_at_the_logins_of_mlflow_too(home: Home) -> None:
    (home.home / "mlflow_auth.db").write_bytes(b"")

    assert {row[0]: row[1] for row in database_rows(home)}["database mlflow_auth"] == "fail"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", [overwrite_header, empty, put_text, put_folder])
def test_start_on_a_damaged_database_is_refused(home: Home, name: str, how: Callable[[Path], None]) -> None:
    """The services would begin an empty one again, in silence."""
    damage(home, name, how)

    with pytest.raises(DamagedDatabaseError, match=f"the database {name!r} is damaged"):
        create_databases(home)


def test_migration_of_a_damaged_airflow_database_names_it(home: Home) -> None:
    damage(home, "airflow", flip_pages)

    with pytest.raises(DamagedDatabaseError, match="the database 'airflow' is damaged"):
        migrate_airflow(home, {})


@pytest.mark.parametrize("how", [overwrite_header, empty, put_text, put_folder])
def test_registry_on_a_damaged_database_names_it(home: Home, how: Callable[[Path], None]) -> None:
    damage(home, "mlflow", how)

    with pytest.raises(DamagedDatabaseError, match="the database 'mlflow' is damaged"):
        Registry.of(home).versions("weather")


def test_registry_whose_server_meets_a_damaged_page_names_it() -> None:
    """Through the server only its words arrive."""
    from mlflow.exceptions import MlflowException

    from almanac.registry.errors import mlflow_errors

    with pytest.raises(DamagedDatabaseError, match="'mlflow' is damaged"), mlflow_errors("http://mlflow"):
        raise MlflowException("(sqlite3.DatabaseError) database disk image is malformed")


def test_journal_that_cannot_be_written_to_says_so(home: Home) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    path = database_files(home)["journal"]
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(TransientError, match=r"readonly|unable to open"):
            JOURNAL_USERS["write"](home)
        assert ("fail", True) in {(row[1], "cannot be written" in row[2]) for row in database_rows(home)}
    finally:
        path.parent.chmod(0o700)


def test_make_database_is_never_empty_and_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    make_database(path)
    first = path.read_bytes()
    make_database(path)

    assert (len(first) > 0, whole_file_problem(path), path.read_bytes()) == (True, "", first)
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".new"] == []


def test_journal_that_was_deleted_begins_again(home: Home) -> None:
    database_files(home)["journal"].unlink()

    assert Journal(home.journal_url).alerts() == []


def test_exclusive_does_not_need_the_journal_file(home: Home) -> None:
    path = damage(home, "journal", empty)

    with exclusive(home.journal_url, "a thing"):
        assert path.read_bytes() == b""


def test_backup_of_another_database_is_taken_while_the_journal_is_damaged(home: Home) -> None:
    damage(home, "journal", overwrite_header)

    (taken,) = run_backup(home, ["database/airflow"], run=RUN)

    assert taken["new"]


class Channels:
    """Takes messages; one channel does not work."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []

    def reaches(self, channel: Channel) -> bool:
        return channel.connection != "unknown"

    def send(self, channel: Channel, message: Message) -> None:
        if channel.connection == "broken":
            raise OSError("no route")
        self.sent.append((channel.connection, message))


ALERTS = Alerts.model_validate(
    {"channels": {name: {"kind": "webhook", "connection": name} for name in ("broken", "unknown", "hook")}}
)


def critical(severity: str = "critical") -> Message:
    return event_message(
        "failure",
        severity=severity,
        model="weather",
        subject="it failed",
        words="why",
        what_to_do="look",
        run=RunRef("d", "r"),
        now=NOW,
    )


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("method", ["open", "notify_once"])
def test_critical_alert_reaches_people_while_the_journal_is_damaged(
    home: Home, how: Callable[[Path], None], method: str
) -> None:
    damage(home, "journal", how)
    channels, logged = Channels(), []
    notifier = Notifier(Journal(home.journal_url), channels, logged.append, RUN, LastResort(home.home / "alerts"))

    with pytest.raises(DamagedDatabaseError):
        getattr(notifier, method)(ALERTS, critical(), "failure", "a key", NOW)

    ((connection, message),) = channels.sent
    assert connection == "hook"
    assert "why" in message.text
    assert "almanac restore database/journal --live --replace" in message.text
    assert "not delivered by broken" in logged[0]


def test_critical_alert_without_a_journal_is_reported_once_an_hour(home: Home) -> None:
    damage(home, "journal", empty)
    channels = Channels()
    for minutes in (0, 5, 59, 61, 66):
        notifier = Notifier(Journal(home.journal_url), channels, print, RUN, LastResort(home.home / "alerts"))
        with pytest.raises(DamagedDatabaseError):
            notifier.open(ALERTS, critical(), "failure", "a key", NOW + timedelta(minutes=minutes))

    assert len(channels.sent) == 2


def test_two_critical_alerts_without_a_journal_are_both_reported(home: Home) -> None:
    damage(home, "journal", empty)
    channels = Channels()
    notifier = Notifier(Journal(home.journal_url), channels, print, RUN, LastResort(home.home / "alerts"))
    for key in ("one", "two"):
        with pytest.raises(DamagedDatabaseError):
            notifier.open(ALERTS, critical(), "failure", key, NOW)

    assert len(channels.sent) == 2


def test_alert_that_is_not_critical_waits_for_the_journal(home: Home) -> None:
    damage(home, "journal", empty)
    channels = Channels()
    notifier = Notifier(Journal(home.journal_url), channels, print, RUN, LastResort(home.home / "alerts"))
    with pytest.raises(DamagedDatabaseError):
        notifier.open(ALERTS, critical("warning"), "failure", "a key", NOW)

    assert channels.sent == []


def test_last_resort_whose_folder_cannot_be_made_still_keeps_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # the machine's keeps what an earlier session has told
    resort = LastResort(tmp_path / "file" / "alerts")

    assert [resort.is_due("key", NOW), resort.is_due("key", NOW + timedelta(minutes=5))] == [True, False]


def test_database_files_leaves_servers_out(tmp_path: Path) -> None:
    home = Home(home=tmp_path, journal_url="postgresql://db/journal")

    assert make_url(home.journal_url).get_backend_name() == "postgresql"
    assert sorted(database_files(home)) == ["airflow", "mlflow"]
