"""Each database has an owner of its own, on a new cluster and on one of older days."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from almanac.backup.subjects.postgres import check_rows, load, postgres_draft, scratch_database
from almanac.errors import JournalSchemaError
from almanac.journal.database import Database
from almanac.journal.upgrade import upgrade_journal
from tests.servers.postgres import REASON, binaries, postgres

pytestmark = pytest.mark.skipif(binaries() is None, reason=REASON)

USERS = ("airflow", "mlflow", "journal", "celery", "maintenance")
PASSWORDS = {user: secrets.token_hex(8) for user in USERS}


@pytest.fixture(scope="module")
def users() -> ModuleType:
    from almanac.services import database_users

    return database_users


@pytest.fixture(scope="module")
def server(users: ModuleType) -> Iterator[URL]:
    """A cluster as the released compose file left it: one user, who is the superuser, owns all that there is."""
    with postgres() as url:
        for name in ("airflow", "mlflow", "almanac"):
            run(url, f"CREATE DATABASE {name}", autocommit=True)
        airflow = url.set(database="airflow")
        run(airflow, "CREATE TYPE mood AS ENUM ('ok')")
        run(airflow, "CREATE TABLE job (id serial PRIMARY KEY, mood mood, parent int REFERENCES job)")
        run(airflow, "INSERT INTO job (mood) VALUES ('ok')")
        run(airflow, "CREATE VIEW jobs AS SELECT * FROM job")
        run(airflow, "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        run(airflow, "CREATE SCHEMA extra CREATE SEQUENCE alone")
        almanac = url.set(database="almanac")
        with Database(almanac.render_as_string(hide_password=False)).begin():
            pass
        run(almanac, "DROP TABLE journal_revision")  # 0.1 kept none
        run(almanac, "DROP TABLE declarations")
        users.ensure_databases(url, PASSWORDS)
        yield url


def run(url: URL, statement: str, *, autocommit: bool = False) -> list[tuple]:
    level = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
    engine = create_engine(url, poolclass=NullPool, **level)
    with engine.begin() as connection:
        done = connection.execute(text(statement))
        return [tuple(row) for row in done] if done.returns_rows else []


def as_user(server: URL, user: str, database: str) -> URL:
    return server.set(username=user, password=PASSWORDS[user], database=database)


@pytest.mark.parametrize("user", USERS)
def test_user_enters_its_own_database_and_no_other(server: URL, user: str) -> None:
    own = {"journal": {"almanac"}, "maintenance": {"airflow", "mlflow", "almanac"}}.get(user, {user})

    for database in ("airflow", "mlflow", "almanac", "celery", "postgres"):
        url = as_user(server, user, database)
        if database in own:
            assert run(url, "SELECT 1") == [(1,)]
        else:
            with pytest.raises(OperationalError, match="permission denied for database"):
                run(url, "SELECT 1")


@pytest.mark.parametrize("user", USERS)
def test_user_is_no_superuser_and_makes_no_users(server: URL, user: str) -> None:
    columns = "rolsuper, rolcreaterole, rolreplication, rolbypassrls, rolcreatedb"
    (row,) = run(server, f"SELECT {columns} FROM pg_roles WHERE rolname = '{user}'")  # noqa: S608

    assert row == (False, False, False, False, user == "maintenance")


def test_what_was_there_belongs_to_the_database_s_owner_and_can_be_changed_by_it(server: URL) -> None:
    airflow = as_user(server, "airflow", "airflow")

    run(airflow, "ALTER TABLE job ADD COLUMN more int")
    run(airflow, "ALTER TYPE mood ADD VALUE 'bad'", autocommit=True)
    run(airflow, "DROP VIEW jobs")
    run(airflow, "DROP FUNCTION one()")
    run(airflow, "DROP SEQUENCE extra.alone")
    run(airflow, "DROP SCHEMA extra")
    run(airflow, "CREATE TABLE new (id int)")
    assert run(airflow, "INSERT INTO job (mood) VALUES ('bad') RETURNING id") == [(2,)]


def test_journal_of_older_days_is_brought_up_to_date_by_its_user(server: URL) -> None:
    journal = as_user(server, "journal", "almanac").render_as_string(hide_password=False)
    with pytest.raises(JournalSchemaError, match="no revision"):
        Database(as_user(server, "maintenance", "almanac").render_as_string(hide_password=False)).begin()

    assert upgrade_journal(journal, lambda: None).changed

    with Database(journal).begin() as connection:
        connection.execute(text("ALTER TABLE declarations ADD COLUMN later text"))


def test_maintenance_writes_the_journal_and_of_the_others_reads_all_and_deletes_airflow_s_rows(server: URL) -> None:
    upgrade_journal(as_user(server, "journal", "almanac").render_as_string(hide_password=False), lambda: None)
    with Database(as_user(server, "maintenance", "almanac").render_as_string(hide_password=False)).begin() as journal:
        journal.execute(text("DELETE FROM batches"))

    airflow = as_user(server, "maintenance", "airflow")
    assert run(airflow, "SELECT count(*) FROM job")
    with pytest.raises(ProgrammingError, match="permission denied for table job"):
        run(airflow, "UPDATE job SET id = 1")
    run(airflow, "CREATE TABLE _airflow_deleted__job AS SELECT * FROM job LIMIT 0")  # as `airflow db clean` does
    run(airflow, "DELETE FROM job WHERE false")
    run(airflow, "DROP TABLE _airflow_deleted__job")


def test_maintenance_backs_up_and_drills_every_database(server: URL, tmp_path: Path) -> None:
    for database in ("airflow", "almanac"):
        url = as_user(server, "maintenance", database)
        with postgres_draft(database, url) as draft:
            dump = tmp_path / f"{database}.dump"
            dump.write_bytes(b"".join(draft.files[0].pieces()))
            with scratch_database(url) as scratch:
                load(dump, scratch)
                assert check_rows(scratch, draft.facts["tables"])


def test_ensure_databases_again_changes_passwords_and_nothing_else(server: URL, users: ModuleType) -> None:
    def owners() -> list[tuple]:
        found = "SELECT c.oid, c.relowner FROM pg_class c ORDER BY 1"
        return run(server.set(database="airflow"), found)

    before = owners()
    users.ensure_databases(server, {**PASSWORDS, "celery": "another"})

    assert owners() == before
    with pytest.raises(OperationalError, match="password authentication failed"):
        run(as_user(server, "celery", "celery"), "SELECT 1")
    assert run(as_user(server, "celery", "celery").set(password="another"), "SELECT 1") == [(1,)]
    users.ensure_databases(server, PASSWORDS)


@pytest.fixture
def in_ascii(server: URL) -> Iterator[str]:
    """The results' database, made again in an encoding that holds no `·`."""
    run(server, "DROP DATABASE IF EXISTS celery", autocommit=True)
    ascii = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    run(server, f"CREATE DATABASE celery {ascii}", autocommit=True)
    yield "celery"
    run(server, "DROP DATABASE IF EXISTS celery", autocommit=True)


def test_ensure_databases_in_another_encoding_is_refused_with_the_way_out(
    server: URL, users: ModuleType, in_ascii: str
) -> None:
    with pytest.raises(SystemExit, match=rf"{in_ascii} is in SQL_ASCII; expected UTF8\. .*initdb --encoding=UTF8"):
        users.ensure_databases(server, dict.fromkeys(PASSWORDS, "other"))
    assert run(as_user(server, "mlflow", "mlflow"), "SELECT 1") == [(1,)]  # nothing was changed


def test_first_start_refuses_a_database_in_another_encoding(server: URL, users: ModuleType, in_ascii: str) -> None:
    from almanac_airflow.processes import first_start

    first_start.check_encoding(server.render_as_string(hide_password=False))
    with pytest.raises(SystemExit, match="airflow-init: the database celery is in SQL_ASCII; expected UTF8"):
        first_start.check_encoding(server.set(database=in_ascii).render_as_string(hide_password=False))
    first_start.check_encoding("sqlite:///a-file-has-no-encoding")


def test_first_start_upgrades_the_journal_after_a_snapshot_of_it(
    server: URL, users: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from almanac_airflow.processes import first_start

    journal = as_user(server, "journal", "almanac").render_as_string(hide_password=False)
    upgrade_journal(journal, lambda: None)
    run(server.set(database="almanac"), "DROP TABLE journal_revision")
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_JOURNAL_URL", journal)

    first_start.upgrade_journal()

    assert "from no revision (0.1) to revision" in capsys.readouterr().out
    assert (tmp_path / "backups" / "latest" / "database" / "journal.json").is_file()
    with Database(journal).begin() as connection:
        assert connection.execute(text("SELECT subject FROM snapshots")).scalars().all() == ["database/journal"]


def test_first_start_leaves_a_journal_alone_whose_login_is_not_known_here(
    users: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from almanac_airflow.processes import first_start

    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_JOURNAL_URL", "postgresql+psycopg2://127.0.0.1:1/almanac")
    first_start.upgrade_journal()
    assert capsys.readouterr().out == "", "it looked for a revision where nobody answers"
