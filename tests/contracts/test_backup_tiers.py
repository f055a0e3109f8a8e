"""The contract of tiers: a folder, S3 and Azure keep it alike, each by its own words."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from almanac.backup.store.object_store import ObjectStore
from almanac.backup.store.port import Store
from almanac.backup.tiers.port import FrozenError, Tier
from tests.servers.s3 import S3Server

NAME = "objects/ab/abc"


@pytest.fixture(params=["folder", "s3", "azure"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(f"{request.param}_backup_store")
    found.create(NAME, b"content")
    found.create("manifests/a", b"manifest")
    return found


def test_new_object_is_hot(store: Store) -> None:
    (found,) = store.tiers().stored()
    assert (found.name, found.size_bytes, found.tier, found.readiness) == (NAME, 7, "hot", "ready")


@pytest.mark.parametrize("way", [["cool"], ["cool", "hot"], ["cool", "archive"], ["archive"]])
def test_moved_object_is_listed_there_once(store: Store, way: list[Tier]) -> None:
    tiers = store.tiers()
    for tier in way:
        tiers.move(NAME, tier)
    assert [(one.name, one.tier) for one in tiers.stored()] == [(NAME, way[-1])]
    found = tiers.look(NAME)
    assert found is not None
    assert found.tier == way[-1]
    assert [entry.name for entry in store.list("objects")] == [NAME]
    assert store.find(NAME) is not None


def test_cool_object_is_read_under_its_name(store: Store) -> None:
    store.tiers().move(NAME, "cool")
    assert b"".join(store.stream(NAME)) == b"content"
    assert store.head(NAME, 3) == b"con"


def test_object_that_is_gone_is_none(store: Store) -> None:
    assert store.tiers().look("objects/ab/none") is None


def test_adopt_present_in_another_tier_keeps_it(store: Store) -> None:
    store.tiers().move(NAME, "cool")
    with store.staging() as folder:
        (folder / "new").write_bytes(b"other")
        assert not store.adopt(folder / "new", NAME)
    assert [one.tier for one in store.tiers().stored()] == ["cool"]


def test_adopt_over_replaces_what_lies_in_another_tier(store: Store) -> None:
    store.tiers().move(NAME, "cool")
    with store.staging() as folder:
        (folder / "new").write_bytes(b"anew")
        store.adopt(folder / "new", NAME, over=True)
    assert b"".join(store.stream(NAME)) == b"anew"
    assert [one.tier for one in store.tiers().stored()] == ["hot"]


def test_remove_takes_it_out_of_its_tier(store: Store) -> None:
    store.tiers().move(NAME, "archive")
    store.remove(NAME)
    assert list(store.tiers().stored()) == []
    assert list(store.list("objects")) == []


def test_restored_from_archive_object_is_read(store: Store) -> None:
    """Emulators give it at once; how waiting goes is tested with a cold store of our own."""
    tiers = store.tiers()
    tiers.move(NAME, "archive")
    tiers.rehydrate(NAME, days=2)
    found = tiers.look(NAME)
    assert found is not None
    assert found.readiness == "ready"
    assert b"".join(store.stream(NAME)) == b"content"
    tiers.move(NAME, "hot")
    assert [one.tier for one in tiers.stored()] == ["hot"]


@pytest.mark.parametrize("name", ["s3", "azure"])
def test_archived_object_is_refused_until_it_is_asked_for(request: pytest.FixtureRequest, name: str) -> None:
    store: ObjectStore = request.getfixturevalue(f"{name}_backup_store")
    store.create(NAME, b"content")
    store.tiers().move(NAME, "archive")
    read: list[Callable[[], object]] = [
        lambda: list(store.stream(NAME)),
        lambda: store.head(NAME, 3),
        lambda: store.tiers().move(NAME, "hot"),
    ]
    for one in read:
        with pytest.raises(FrozenError, match="is in the archive tier"):
            one()
    found = store.tiers().look(NAME)
    assert found is not None
    assert found.readiness == "frozen"


def test_s3_tiers_are_storage_classes(s3_server: S3Server, s3_backup_store: ObjectStore) -> None:
    bucket, _, prefix = s3_backup_store.uri.removeprefix("s3://").partition("/")
    for tier, named in (("cool", "STANDARD_IA"), ("archive", "GLACIER")):
        s3_backup_store.create(f"objects/{tier}", b"x")
        s3_backup_store.tiers().move(f"objects/{tier}", tier)  # type: ignore[arg-type]
        head = s3_server.client().head_object(Bucket=bucket, Key=f"{prefix}/objects/{tier}")
        assert head["StorageClass"] == named


def test_s3_asked_for_is_pending_until_it_comes(s3_server: S3Server, s3_backup_store: ObjectStore) -> None:
    """The emulator can be told to take its time."""
    slowly = {"model_name": "s3::keyrestore", "transition": {"progression": "manual", "times": 3}}
    httpx.post(f"{s3_server.url}/moto-api/state-manager/set-transition", json=slowly).raise_for_status()
    try:
        s3_backup_store.create(NAME, b"content")
        tiers = s3_backup_store.tiers()
        tiers.move(NAME, "archive")
        tiers.rehydrate(NAME, days=2)
        tiers.rehydrate(NAME, days=2)  # twice is no fault
        seen = [found.readiness for _ in range(5) if (found := tiers.look(NAME))]
    finally:
        unset = {"model_name": "s3::keyrestore"}
        httpx.post(f"{s3_server.url}/moto-api/state-manager/unset-transition", json=unset).raise_for_status()
    assert seen[0] == "pending"
    assert seen[-1] == "ready"


def test_folder_killed_between_the_steps_of_a_move_is_repaired(folder_backup_store: Store, tmp_path: Path) -> None:
    folder_backup_store.create(NAME, b"content")
    tiers = folder_backup_store.tiers()
    tiers.move(NAME, "cool")
    root = Path(folder_backup_store.uri)
    (root / "objects/ab/abc").hardlink_to(root / "cool/ab/abc")  # as it was before the first name went
    assert [one.tier for one in tiers.stored()] == ["hot"]
    tiers.move(NAME, "cool")
    assert [one.tier for one in tiers.stored()] == ["cool"]
    assert not (root / "objects/ab/abc").exists()


def test_folder_tier_on_another_disk_is_copied(folder_backup_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_disk(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    folder_backup_store.create(NAME, b"content")
    monkeypatch.setattr("almanac.backup.tiers.folders.os.link", other_disk)
    folder_backup_store.tiers().move(NAME, "archive")
    root = Path(folder_backup_store.uri)
    assert (root / "archive/ab/abc").read_bytes() == b"content"
    assert not (root / "objects/ab/abc").exists()
