import sqlite3
import subprocess
from contextlib import closing
from types import SimpleNamespace

import pytest

from almanac.config.home import Home
from almanac.errors import PermanentError, TransientError
from almanac.services import databases
from almanac.services.environment import airflow_database, mlflow_database
from almanac.services.supervision.supervision import log_file


@pytest.fixture
def home(tmp_path):
    home = Home(home=tmp_path)
    log_file(home, "x").parent.mkdir(parents=True)
    databases.create_databases(home)
    return home


@pytest.fixture
def migrations(home, monkeypatch):
    """Replace `airflow db migrate` by one that only writes the revision, and count it."""
    calls = []

    def run(*_args, **_options):
        calls.append(1)
        with closing(sqlite3.connect(airflow_database(home))) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
            connection.execute("DELETE FROM alembic_version")
            connection.execute("INSERT INTO alembic_version VALUES ('new')")
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_create_databases_are_in_wal_mode(home):
    for path in (airflow_database(home), mlflow_database(home)):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_migrate_airflow_second_start_costs_nothing(home, migrations):
    databases.migrate_airflow(home, {})
    databases.migrate_airflow(home, {})

    assert len(migrations) == 1


def test_migrate_airflow_restored_older_database_is_migrated(home, migrations):
    databases.migrate_airflow(home, {})
    with closing(sqlite3.connect(airflow_database(home))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'old'")

    databases.migrate_airflow(home, {})

    assert len(migrations) == 2


def test_migrate_airflow_new_version_is_migrated(home, migrations, monkeypatch):
    databases.migrate_airflow(home, {})
    monkeypatch.setattr(databases, "version", lambda _name: "99")

    databases.migrate_airflow(home, {})

    assert len(migrations) == 2


def test_migrate_airflow_backs_up_what_is_there_before_it_is_changed(home, migrations, monkeypatch):
    backups = []
    databases.migrate_airflow(home, {}, before=lambda: backups.append(len(migrations)))
    assert backups == []  # there was nothing yet
    monkeypatch.setattr(databases, "version", lambda _name: "99")

    databases.migrate_airflow(home, {}, before=lambda: backups.append(len(migrations)))

    assert backups == [1]


def test_migrate_airflow_without_a_backup_changes_nothing(home, migrations, monkeypatch):
    def away():
        raise TransientError("the backup repository is away")

    databases.migrate_airflow(home, {})
    monkeypatch.setattr(databases, "version", lambda _name: "99")

    with pytest.raises(TransientError, match="the backup repository is away"):
        databases.migrate_airflow(home, {}, before=away)

    assert len(migrations) == 1


def test_migrate_airflow_failure_names_the_log_and_is_tried_again(home, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_a, **_o: SimpleNamespace(returncode=3))

    for _ in range(2):
        with pytest.raises(PermanentError, match=r"airflow-migrate\.log.*ended with 3"):
            databases.migrate_airflow(home, {})
