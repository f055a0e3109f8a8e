"""The secondary repository: what is in the first comes there, and everything comes back from it alone."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.restore.live import restore_live
from almanac.backup.restore.restore import restore
from almanac.backup.snapshot.replicate import replicate, worst_lag
from almanac.backup.snapshot.verify import verify
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.registry.store import Registry
from tests.backup.repositories import START, SUBJECT, contents, days, object_path, repository_at, snapshot, write_files
from tests.backup.world import MODEL, World

NOW = datetime.now(UTC)


@pytest.fixture
def first(tmp_path: Path) -> BackupRepository:
    return repository_at(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path, first: BackupRepository) -> BackupRepository:
    return BackupRepository(repository_at(tmp_path / "second").store, first.key)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_files(tmp_path / "source")
    return tmp_path / "source"


def test_replicate_first_place_killed_everything_comes_back(
    world: World, first: BackupRepository, second: BackupRepository, tmp_path: Path
) -> None:
    world.backup(first).everything([MODEL])
    done = replicate(first, second)
    assert len(done.snapshots) == 7
    shutil.rmtree(first.uri)
    home = Home(home=tmp_path / "reborn", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/reborn/mlflow.db")
    restore_live(second, Catalogue(second).find("group/all"), home)
    champion = Registry.of(home).champion(MODEL)
    assert champion is not None
    assert Registry.of(home).load_onnx(champion)


def test_replicate_again_sends_nothing(first: BackupRepository, second: BackupRepository, source: Path) -> None:
    snapshot(first, source)
    assert replicate(first, second).bytes > 0
    done = replicate(first, second)
    assert (done.snapshots, done.bytes) == ((), 0)


@pytest.mark.parametrize("settings", [{"compress": False}, {"encrypt": True}])
def test_replicate_keeps_the_form_and_pointer(tmp_path: Path, source: Path, settings: dict[str, bool]) -> None:
    first = repository_at(tmp_path / "first", **settings)
    second = BackupRepository(repository_at(tmp_path / "second").store, first.key)
    taken = snapshot(first, source)
    replicate(first, second)
    assert verify(second, [taken.ref], level=3, now=NOW).findings == ()
    assert contents(restore(second, taken.ref, tmp_path / "back").folder) == contents(source)


def test_replicate_damaged_snapshot_is_named_and_others_go_on(
    first: BackupRepository, second: BackupRepository, source: Path
) -> None:
    bad = snapshot(first, source)
    (source / "large.log").write_bytes(b"other")
    good = snapshot(first, source)
    object_path(first, bad, "large.log").write_bytes(b"damaged")
    done = replicate(first, second)
    assert done.snapshots == (good.ref,)
    assert str(bad.ref) in done.failed[0]
    assert verify(second, Catalogue(second).refs(), level=3, now=NOW).findings[0].fatal is False  # its parent is absent


def test_replicate_deletions_do_not_travel_nor_come_back(
    first: BackupRepository, second: BackupRepository, source: Path
) -> None:
    one, two = snapshot(first, source, at=START), snapshot(first, source, at=START + days(1))
    replicate(first, second)
    Catalogue(first).add_tombstone(one.ref, at=NOW, by="ada", reason="old")
    replicate(first, second)
    assert Catalogue(second).refs() == (one.ref, two.ref)
    Catalogue(second).add_tombstone(two.ref, at=NOW, by="ada", reason="its own policy")
    replicate(first, second)
    assert Catalogue(second).refs() == (one.ref,)


def test_replicate_reports_the_lag(first: BackupRepository, second: BackupRepository, source: Path) -> None:
    snapshot(first, source, at=START)
    replicate(first, second)
    snapshot(first, source, at=START + days(3))
    assert worst_lag(first, second) == timedelta(days=3)
    assert replicate(first, second).lag == timedelta(days=3)
    assert worst_lag(first, second) == timedelta(0)
    assert Catalogue(second).pointer(SUBJECT) == Catalogue(first).pointer(SUBJECT)
