"""Whole backups on real object stores: taken, verified, restored, forgotten, swept, and replicated there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.restore.restore import restore
from almanac.backup.retention.sweep import sweep
from almanac.backup.snapshot.replicate import replicate
from almanac.backup.snapshot.verify import verify
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import Key
from almanac.backup.store.object_store import ObjectStore
from almanac.backup.store.repository import BackupRepository
from almanac.backup.subjects.delta import check_table, delta_files
from almanac.data.table.delta_table import read_table
from almanac.errors import IntegrityError
from tests.backup.repositories import MAKER, SUBJECT, contents, repository_at, snapshot, write_files
from tests.backup.world import write_dataset
from tests.servers.stores import Store

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_files(tmp_path / "source", count=2)
    return tmp_path / "source"


@pytest.mark.parametrize("encrypt", [False, True])
def test_store_whole_life_of_snapshots(any_store: Store, source: Path, tmp_path: Path, encrypt: bool) -> None:
    place = BackupRepository(ObjectStore(any_store.uri), Key.new(), encrypt=encrypt)
    first = snapshot(place, source)
    (source / "part-1").write_bytes(b"other")
    second = snapshot(place, source)
    assert contents(restore(place, first.ref, tmp_path / "first").folder)["part-1"] != b"other"
    assert contents(restore(place, second.ref, tmp_path / "second").folder) == contents(source)
    Catalogue(place).add_tombstone(first.ref, at=NOW, by="ada", reason="old")
    done = sweep(place, grace=timedelta(days=7), now=LATER, max_share=1.0)
    assert (done.manifests, len(done.objects)) == ((first.ref,), 1)
    assert not [f for f in verify(place, [second.ref], level=3, now=NOW).findings if f.fatal]
    assert list(place.store.list("locks")) == []


def test_store_damaged_object_is_named(any_store: Store, source: Path) -> None:
    import obstore
    from obstore.store import from_url

    place = BackupRepository(ObjectStore(any_store.uri), Key.new())
    taken = snapshot(place, source)
    entry = next(entry for entry in taken.manifest.files if entry.path == "large.log")
    obstore.put(from_url(any_store.uri), entry.object_name, b"x" * entry.stored_size)
    (finding,) = verify(place, [taken.ref], level=3, now=NOW).findings
    assert "large.log" in finding.text
    with pytest.raises(IntegrityError, match=r"large\.log"):
        restore(place, taken.ref, source.parent / "back")


def test_store_as_secondary_repository_gives_everything_back(any_store: Store, source: Path, tmp_path: Path) -> None:
    first = repository_at(tmp_path / "first")
    second = BackupRepository(ObjectStore(any_store.uri), first.key)
    snapshot(first, source)
    assert len(replicate(first, second).snapshots) == 1
    back = restore(second, Catalogue(second).find(SUBJECT), tmp_path / "back")
    assert contents(back.folder) == contents(source)


def test_store_dataset_there_is_backed_up_and_opens_here(any_store: Store, tmp_path: Path) -> None:
    uri = f"{any_store.uri}/datasets/weather"
    write_dataset(uri)
    table = delta_files(uri, readable=[1])
    assert table is not None
    place = repository_at(tmp_path / "backups")
    taken = take(place, Draft(SUBJECT, table.files, table.facts), maker=MAKER)
    back = restore(place, taken.ref, tmp_path / "back")
    assert "opens at version 3 with 60 rows" in check_table(back.folder, taken.manifest.facts)
    assert read_table(str(back.folder), version=1).height == 48
    table = delta_files(uri, readable=[1])
    assert table is not None
    again = take(place, Draft(SUBJECT, table.files, table.facts), maker=MAKER)
    assert again.files_read == 0
