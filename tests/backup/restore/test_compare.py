"""What came back is compared with what journal and registry name."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

from almanac.backup.restore.airflow_secrets import unreadable_secrets
from almanac.backup.restore.compare import Difference, compare, compare_folder
from almanac.backup.restore.live import restore_live
from almanac.backup.restore.to_folder import Restores, restore_to
from almanac.backup.restore.whole import differences
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.data.table.commit_record import to_metadata
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, BatchRecord, BatchState
from almanac.registry.store import Registry
from tests.backup.repositories import repository_at
from tests.backup.world import MODEL, RUN, World

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def copied(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world restored to a home of its own, to be copied by each test."""
    root = tmp_path_factory.mktemp("copied")
    repository = repository_at(root / "backups")
    home = home_at(root / "home")
    restore_live(repository, world.backup(repository).everything([MODEL]).ref, home)
    return root


@pytest.fixture
def home(copied: Path, tmp_path: Path) -> Home:
    """A home in which everything fits; its artifacts are those of the copy, which nobody changes."""
    shutil.copytree(copied / "home", tmp_path / "home")
    return home_at(tmp_path / "home")


def home_at(folder: Path) -> Home:
    return Home(home=folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")


def batch(batch_id: str, version: int, rows: int = 24) -> BatchRecord:
    return BatchRecord(
        model=MODEL,
        batch_id=batch_id,
        uri=f"landing/{batch_id}.csv",
        size_bytes=1,
        modified_at=NOW,
        state=BatchState.PUBLISHED,
        rows_read=rows,
        rows_published=rows,
        rows_quarantined=0,
        rows_dropped=0,
        recorded_at=NOW,
        run=RUN,
        dataset_version=version,
    )


def publish(home: Home, record: BatchRecord) -> None:
    rows = pl.DataFrame({"hour": range(24), "value": [1.0] * 24, "_month": ["2026-05"] * 24})
    properties = CommitProperties(
        custom_metadata=to_metadata(record), app_transactions=[Transaction(record.batch_id, 1)]
    )
    write_deltalake(home.dataset_of(MODEL), rows, mode="append", commit_properties=properties)


def compared(home: Home) -> list[Difference]:
    return compare(home, Registry.of(home), [MODEL])


def lost(found: list[Difference]) -> str:
    (one,) = [one for one in found if one.lost]
    return one.text


def test_installation_that_fits_has_no_difference(home: Home) -> None:
    known = batch("a" * 64, 4)
    publish(home, known)
    Journal(home.journal_url).record_batch(known)
    assert compared(home) == []


def test_dataset_older_than_the_journal_names_the_files_that_are_missing(home: Home) -> None:
    journal = Journal(home.journal_url)
    journal.record_batch(batch("a" * 64, 4))
    journal.record_batch(replace(batch("b" * 64, 4), state=BatchState.REJECTED))
    text = lost(compared(home))
    assert "lacks 1 batches with 24 rows that the journal records as published" in text
    assert "the dataset is older than the journal" in text
    assert f"landing/{'a' * 64}.csv" in text


def test_journal_older_than_the_dataset_is_reported_and_nothing_is_lost(home: Home) -> None:
    publish(home, batch("a" * 64, 4))
    (one,) = compared(home)
    assert "holds 1 batches that the journal does not know: the journal is older" in one.text
    assert not one.lost
    assert one.words.startswith("note")


def test_table_that_is_not_there_is_reported(home: Home) -> None:
    Journal(home.journal_url).record_batch(batch("a" * 64, 4))
    shutil.rmtree(home.dataset_of(MODEL))
    text = lost(compared(home))
    assert "there is no table; the journal knows 1 published batches and the registry 2 versions" in text


def test_dataset_older_than_what_versions_were_trained_on_is_reported(home: Home) -> None:
    for commit in Path(home.dataset_of(MODEL), "_delta_log").glob("*.json"):
        if int(commit.stem) > 0:
            commit.unlink()
    text = lost(compared(home))
    assert "ends at version 0; weather@2 (on 2), weather@1 (on 1) were trained on later ones" in text


def test_files_of_a_version_that_something_was_trained_on_are_missed(home: Home) -> None:
    """Version 3 reads well without the file that it replaced, and version 2 does not."""
    gone = list(Path(home.dataset_of(MODEL)).rglob("_month=2026-03/*.parquet"))
    min(gone, key=lambda path: path.stat().st_mtime_ns).unlink()
    assert "cannot be rebuilt" in lost(compared(home))


@pytest.mark.parametrize("path", ["model/model.onnx", "passport.json"])
def test_version_whose_files_are_not_there_or_otherwise_is_named(home: Home, path: str) -> None:
    run = Registry.of(home).version(MODEL, "1").mlflow_run_id
    uri = Registry.of(home).client.get_run(run).info.artifact_uri
    kept = Path(uri, path)
    before = kept.read_bytes()
    kept.write_bytes(before + b" ")
    try:
        text = lost(compared(home))
    finally:
        kept.write_bytes(before)
    assert text.startswith("weather@1: the registry names it, and it cannot be read")


def test_databases_of_different_times_show_by_the_champion(home: Home) -> None:
    Journal(home.journal_url).record_alias_move(AliasMove(MODEL, "champion", "2", "3", "better", NOW, RUN))
    text = lost(compared(home))
    assert "champion is version 2 in MLflow, and 3 in the journal since 2026-11-01" in text


def test_empty_home_is_compared_with_nothing_and_gets_no_database(tmp_path: Path) -> None:
    found = compared(home_at(tmp_path / "empty"))
    assert [one.lost for one in found] == [False, False]
    assert not (tmp_path / "empty").exists()


def test_single_dataset_restored_live_is_compared_too(copied: Path, home: Home, world: World, tmp_path: Path) -> None:
    repository = repository_at(tmp_path / "backups")
    taken = world.backup(repository).dataset(MODEL)
    assert taken is not None
    Journal(home.journal_url).record_batch(batch("a" * 64, 4))
    restore_live(repository, taken.ref, home, replace=True)
    found = differences(home, Registry.of(home), repository, taken.ref)
    assert "lacks 1 batches" in lost(found)


def test_group_in_a_folder_is_compared_with_its_own_journal(world: World, home: Home, tmp_path: Path) -> None:
    Journal(home.journal_url).record_batch(batch("a" * 64, 4))
    repository = repository_at(tmp_path / "backups")
    there = World(home, Registry.of(home), world.model)
    done = restore_to(
        Restores(repository, there.backup(repository).everything([MODEL]).ref, tmp_path / "back"), lambda _: None
    )
    journal = tmp_path / "back" / "database" / "journal" / "journal.db"
    before = journal.read_bytes()
    assert "lacks 1 batches" in lost(compare_folder(done.folders, done.manifests, home_at(tmp_path / "empty")))
    assert journal.read_bytes() == before
    assert not (tmp_path / "empty").exists()


def test_group_without_a_version_that_its_mlflow_names_is_reported(world: World, tmp_path: Path) -> None:
    repository: BackupRepository = repository_at(tmp_path / "backups")
    done = restore_to(
        Restores(repository, world.backup(repository).everything([MODEL]).ref, tmp_path / "back"), lambda _: None
    )
    kept = {name: manifest for name, manifest in done.manifests.items() if name != f"model/{MODEL}/v2"}
    empty = home_at(tmp_path / "empty")
    assert compare_folder(done.folders, done.manifests, empty) == []
    assert "weather@2: MLflow's database names it, and the group holds no snapshot" in lost(
        compare_folder(done.folders, kept, empty)
    )


def test_connections_encrypted_with_another_key_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3
    from contextlib import closing

    from cryptography.fernet import Fernet

    old, other = Fernet.generate_key(), Fernet.generate_key()
    home = home_at(tmp_path / "home")
    (tmp_path / "home" / "airflow").mkdir(parents=True)
    with closing(sqlite3.connect(tmp_path / "home" / "airflow" / "airflow.db")) as database, database:
        columns = "conn_id TEXT, password TEXT, extra TEXT, is_encrypted INT, is_extra_encrypted INT"
        database.execute(f"CREATE TABLE connection ({columns})")
        database.execute("CREATE TABLE variable (key TEXT, val TEXT, is_encrypted INT)")
        secret = Fernet(old).encrypt(b"geheim").decode()
        database.execute("INSERT INTO connection VALUES ('port', ?, NULL, 1, 0)", (secret,))
        database.execute("INSERT INTO connection VALUES ('plain', 'open', NULL, 0, 0)")
    (text,) = unreadable_secrets(home)
    assert "1 connections of Airflow were encrypted with the key of the old home" in text
    assert "port" in text
    assert "plain" not in text
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", other.decode())
    assert unreadable_secrets(home) != []
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", f"{other.decode()},{old.decode()}")
    assert unreadable_secrets(home) == []
