"""Databases come back row by row, or the damage is named: SQLite under writers, PostgreSQL as it was dumped."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

from almanac.backup.drill.functional import use
from almanac.backup.restore.restore import restore
from almanac.backup.snapshot.writer import take
from almanac.backup.store.repository import BackupRepository
from almanac.backup.subjects.postgres import check_rows, load, postgres_draft, scratch_database
from almanac.backup.subjects.sqlite import sqlite_draft
from almanac.errors import ConfigError, DataError, IntegrityError, TransientError
from tests.backup.repositories import restored
from tests.backup.world import MAKER, World
from tests.servers.postgres import REASON, binaries, postgres


def test_sqlite_under_writers_is_one_consistent_snapshot(repository: BackupRepository, tmp_path: Path) -> None:
    """Two rows are always written in one transaction: a copy of the file would see one without the other."""
    path = tmp_path / "busy.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE pairs (value INTEGER)")
    ends = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            while not ends.is_set():
                with connection:
                    connection.execute("INSERT INTO pairs VALUES (1)")
                    connection.execute("INSERT INTO pairs VALUES (2)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            with sqlite_draft("busy", path) as draft:
                taken = take(repository, draft, maker=MAKER)
            back = restore(repository, taken.ref, tmp_path / f"back{number}")
            with closing(sqlite3.connect(back.folder / "busy.db")) as connection:
                ones, twos = connection.execute("SELECT sum(value = 1), sum(value = 2) FROM pairs").fetchone()
            assert ones == twos
            use(back.folder, back.manifest)
    finally:
        ends.set()
        writer.join()


def test_sqlite_missing_or_damaged_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no database journal"), sqlite_draft("journal", tmp_path / "no.db"):
        pass
    (tmp_path / "bad.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(IntegrityError, match="is damaged"), sqlite_draft("journal", tmp_path / "bad.db"):
        pass


def test_sqlite_restored_with_other_rows_is_refused(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    world.backup(repository).database("journal")
    back = restored(repository, "database/journal", tmp_path / "back")
    with closing(sqlite3.connect(back.folder / "journal.db")) as connection, connection:
        connection.execute("DELETE FROM decisions")
    with pytest.raises(IntegrityError, match="differ from what was recorded"):
        use(back.folder, back.manifest)


def test_database_unknown_says_which_there_are(world: World, repository: BackupRepository) -> None:
    with pytest.raises(ConfigError, match=r"no database 'x'; there are \['airflow', .*'mlflow_auth'\]"):
        world.backup(repository).database("x")


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    if binaries() is None:
        pytest.skip(REASON)
    with postgres() as url:
        yield url


def test_postgres_comes_back_row_by_row(repository: BackupRepository, tmp_path: Path, server: URL) -> None:
    with scratch_database(server) as url:
        _fill(url)
        with postgres_draft("journal", url) as draft:
            _change(url)  # after the snapshot began: neither the dump nor the checksums see it
            taken = take(repository, draft, maker=MAKER)
    assert taken.manifest.files[0].codec == "zstd"
    assert "s3cret" not in str(taken.manifest)
    back = restored(repository, "database/journal", tmp_path / "back")
    assert use(back.folder, back.manifest, server=server) == ["1 tables with the rows that were recorded"]


def test_postgres_changed_rows_of_the_right_number_are_found(
    repository: BackupRepository, tmp_path: Path, server: URL
) -> None:
    with scratch_database(server) as url:
        _fill(url)
        with postgres_draft("journal", url) as draft:
            take(repository, draft, maker=MAKER)
        back = restored(repository, "database/journal", tmp_path / "back")
        with pytest.raises(IntegrityError, match="pg_restore ended"):
            load(back.folder / "journal.dump", url)  # never over what is there
        with create_engine(url).begin() as connection:
            connection.execute(text("UPDATE numbers SET word = 'x' WHERE value = 7"))
        with pytest.raises(IntegrityError, match=r"the rows of \['public.numbers'\] are not what was backed up"):
            check_rows(url, back.manifest.facts["tables"])


def test_postgres_away_is_a_passing_fault(server: URL) -> None:
    with pytest.raises(TransientError, match="check that it is up"), postgres_draft("journal", server.set(port=1)):
        pass


def test_postgres_older_client_is_refused(server: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("almanac.backup.subjects.postgres._client_version", lambda: 9)
    with pytest.raises(ConfigError, match="pg_dump is older than the server; got 9"), postgres_draft("j", server):
        pass


def _fill(url: URL) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE numbers AS SELECT g AS value, 'word ' || g AS word FROM generate_series(1, 5000) g")
        )
    engine.dispose()


def _change(url: URL) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM numbers WHERE value < 100"))
    engine.dispose()
