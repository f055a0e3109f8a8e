"""A group with a database of a server: loaded whole or not at all, and never over what is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

from almanac.backup.restore import live
from almanac.backup.restore.live import restore_live
from almanac.backup.restore.progress import unfinished
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.subjects.postgres import check_rows, is_empty, load
from almanac.config.home import Home
from almanac.data.table.delta_table import read_table
from almanac.errors import AlmanacError, ConfigError, IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from tests.backup.repositories import repository_at, restored
from tests.backup.world import MODEL, ROWS, World
from tests.servers.postgres import REASON, binaries, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    if binaries() is None:
        pytest.skip(REASON)
    with postgres() as url:
        yield url


def make(server: URL, name: str) -> str:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def taken(server: URL, world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[BackupRepository, Ref]:
    """A group whose journal was on a server that is set to another zone than UTC."""
    url = make(server, "first")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER DATABASE first SET timezone = 'Asia/Kolkata'"))
    engine.dispose()
    journal = Journal(url)
    for decision in Journal(world.home.journal_url).decisions(MODEL):
        journal.record_decision(decision)
    engine = create_engine(url)
    with engine.begin() as connection:  # its text depends on the zone of the session
        connection.execute(text("CREATE TABLE zoned AS SELECT now() AS at, interval '1 day 2 hours' AS span"))
    engine.dispose()
    repository = repository_at(tmp_path_factory.mktemp("place") / "backups")
    there = World(world.home.model_copy(update={"journal_url": url}), world.registry, world.model)
    return repository, there.backup(repository).everything([MODEL]).ref


def home_at(folder: Path, journal: str) -> Home:
    return Home(home=folder, journal_url=journal, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")


def decisions(url: str) -> int:
    return len(Journal(url).decisions(MODEL, DecisionKind.GATES))


def test_group_is_loaded_into_an_empty_database_of_another_server_zone(
    server: URL, taken: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, ref = taken
    home = home_at(tmp_path / "home", make(server, "second"))
    lines = restore_live(repository, ref, home)
    assert any("database/journal@" in line and line.endswith("/second") for line in lines)
    assert decisions(home.journal_url) == 1
    assert read_table(home.dataset_of(MODEL)).height == ROWS[3]
    assert unfinished(home) == []


def test_database_that_is_not_empty_is_refused_before_anything_is_touched(
    server: URL, taken: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, ref = taken
    home = home_at(tmp_path / "home", make(server, "second"))
    Journal(home.journal_url).decisions(MODEL)
    with pytest.raises(ConfigError, match="is not empty, and a database on a server is not moved aside"):
        restore_live(repository, ref, home, replace=True)
    assert not (home.home / "mlflow.db").exists()


def test_server_that_is_away_keeps_nothing_else_back_and_is_tried_again(
    server: URL, taken: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, ref = taken
    url = make(server, "second")
    away = home_at(tmp_path / "home", server.set(port=1, database="second").render_as_string(hide_password=False))
    with pytest.raises(AlmanacError, match=r"(?s)1 of 6 snapshots could not.*NOT BACK  database/journal.*is up"):
        restore_live(repository, ref, away)
    assert read_table(away.dataset_of(MODEL)).height == ROWS[3]
    home = home_at(tmp_path / "home", url)
    restore_live(repository, ref, home)
    assert decisions(url) == 1


def test_killed_after_the_load_goes_on_and_compares_the_rows(
    server: URL, taken: tuple[BackupRepository, Ref], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, ref = taken
    home = home_at(tmp_path / "home", make(server, "second"))

    class Killed(BaseException):
        pass

    def load_and_die(dump: Path, url: URL) -> None:
        load(dump, url)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(live, "load", load_and_die)
        with pytest.raises(Killed):
            restore_live(repository, ref, home)
    assert unfinished(home)
    restore_live(repository, ref, home)
    assert decisions(home.journal_url) == 1


def test_rows_that_came_otherwise_are_named(
    server: URL, taken: tuple[BackupRepository, Ref], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, ref = taken
    home = home_at(tmp_path / "home", make(server, "second"))

    def load_and_lose(dump: Path, url: URL) -> None:
        load(dump, url)
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM decisions"))
        engine.dispose()

    monkeypatch.setattr(live, "load", load_and_lose)
    with pytest.raises(IntegrityError, match=r"the rows of \['public\.decisions'\] are not what was backed up"):
        restore_live(repository, ref, home)


def test_load_that_breaks_off_leaves_the_database_empty(
    server: URL, taken: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, _ = taken
    back = restored(repository, "database/journal", tmp_path / "back")
    url = server.set(database="second")
    make(server, "second")
    dump = back.folder / "journal.dump"
    dump.write_bytes(dump.read_bytes()[:-200])
    with pytest.raises(IntegrityError, match="pg_restore ended"):
        load(dump, url)
    assert is_empty(url)


def test_snapshot_of_an_earlier_almanac_is_compared_as_its_server_was_set(
    server: URL, taken: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, _ = taken
    back = restored(repository, "database/journal", tmp_path / "back")
    facts = back.manifest.facts
    assert facts["session"] == "utc"
    first = server.set(database="first")
    check_rows(first, facts["tables"], session="utc")
    with pytest.raises(IntegrityError, match="zoned"):
        check_rows(first, facts["tables"])


def test_database_of_another_kind_is_refused_before_anything_is_touched(
    taken: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, ref = taken
    home = home_at(tmp_path / "home", f"sqlite:///{tmp_path}/home/journal.db")
    with pytest.raises(ConfigError, match="database/journal: was postgresql and is sqlite here"):
        restore_live(repository, ref, home)
    assert not (home.home / "mlflow.db").exists()
