"""The key of a repository: another one is refused, and a rotation loses nothing, also half way."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.backup.restore.restore import restore
from almanac.backup.snapshot.replicate import replicate
from almanac.backup.snapshot.verify import verify
from almanac.backup.store import key_rotation
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.key_records import claim, newest_record, write_record
from almanac.backup.store.key_rotation import is_pending, rotate
from almanac.backup.store.keys import Key
from almanac.backup.store.manifest import FileEntry, Manifest, content_checksum, write_manifest
from almanac.backup.store.repository import BackupRepository
from almanac.errors import ConfigError, IntegrityError
from tests.backup.repositories import SUBJECT, contents, repository_at, restored, snapshot, write_files

NOW = datetime.now(UTC)
RECORD = "keys/00001.json"


@pytest.fixture
def repository(tmp_path: Path) -> BackupRepository:
    return repository_at(tmp_path / "place")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_files(tmp_path / "source")
    return tmp_path / "source"


def with_key(repository: BackupRepository, key: Key, *older: Key, encrypt: bool = False) -> BackupRepository:
    return BackupRepository(repository.store, key, encrypt, older=older)


def rotated(repository: BackupRepository, *others: BackupRepository, encrypt: bool = False) -> list[BackupRepository]:
    """The same places with a new key, in force in all of them."""
    key, old = Key.new(), repository.signing_key()
    repositories = [with_key(one, key, old, encrypt=encrypt) for one in (repository, *others)]
    rotate(repositories, now=NOW, by="ada", reason="a person left")
    return [with_key(one, key, encrypt=encrypt) for one in repositories]  # the new key alone


def forgotten_record(repository: BackupRepository) -> None:
    (Path(repository.uri) / RECORD).unlink()


def test_take_with_another_key_is_refused_with_both_names(repository: BackupRepository, source: Path) -> None:
    snapshot(repository, source)
    other = with_key(repository, Key.new())
    with pytest.raises(ConfigError, match=f"got {other.key.name}, expected {repository.key.name}.*almanac key rotate"):
        snapshot(other, source)
    assert len(Catalogue(repository).refs()) == 1


def test_take_in_a_repository_without_record_goes_by_its_newest_manifest(
    repository: BackupRepository, source: Path
) -> None:
    snapshot(repository, source)
    forgotten_record(repository)
    with pytest.raises(ConfigError, match=f"expected {repository.key.name}"):
        snapshot(with_key(repository, Key.new()), source)
    snapshot(repository, source)
    assert newest_record(repository.store)[0].key == repository.key.name


def test_take_in_a_repository_without_record_passes_over_a_damaged_manifest(
    repository: BackupRepository, source: Path
) -> None:
    first = snapshot(repository, source)
    forgotten_record(repository)
    fake = Path(repository.uri) / first.ref.path.replace(first.ref.name, f"29990101T000000.000000Z-{'0' * 64}")
    fake.write_text('{"body": {}, "signature": {"key": "0000000000000000", "hmac_sha256": ""}}')
    snapshot(repository, source)
    assert newest_record(repository.store)[0].key == repository.key.name


def test_replicate_to_a_place_of_another_key_is_refused(
    repository: BackupRepository, source: Path, tmp_path: Path
) -> None:
    second = repository_at(tmp_path / "second")
    snapshot(repository, source)
    snapshot(second, source)
    with pytest.raises(ConfigError, match=f"got {repository.key.name}, expected {second.key.name}"):
        replicate(repository, with_key(second, repository.key))


@pytest.mark.parametrize("encrypt", [False, True])
def test_restore_of_a_snapshot_from_before_the_rotation_needs_the_new_key_alone(
    tmp_path: Path, source: Path, encrypt: bool
) -> None:
    before = contents(source)
    repository = repository_at(tmp_path / "place", encrypt=encrypt)
    snapshot(repository, source)
    (after,) = rotated(repository, encrypt=encrypt)
    assert contents(restored(after, SUBJECT, tmp_path / "back").folder) == before
    (again,) = rotated(after, encrypt=encrypt)
    assert contents(restored(again, SUBJECT, tmp_path / "back2").folder) == before
    assert verify(again, Catalogue(again).refs(), level=3, now=NOW).findings == ()


def test_take_after_a_rotation_reuses_the_objects_of_the_old_key(tmp_path: Path, source: Path) -> None:
    repository = repository_at(tmp_path / "place", encrypt=True)
    snapshot(repository, source)
    (after,) = rotated(repository, encrypt=True)
    (source / "new.txt").write_text("new")
    taken = snapshot(after, source)
    assert taken.bytes_stored < 1000
    assert contents(restored(after, SUBJECT, tmp_path / "back").folder) == contents(source)
    with pytest.raises(ConfigError, match=f"got {repository.key.name}, expected {after.key.name}"):
        snapshot(repository, source)


def test_rotate_makes_what_the_old_key_signs_later_worthless(repository: BackupRepository, source: Path) -> None:
    snapshot(repository, source)
    (after,) = rotated(repository)
    files = (FileEntry(path="a", size=1, sha256="0" * 64, stored_size=1, codec="raw"),)
    forged = Manifest(subject=SUBJECT, created=NOW, files=files, content=content_checksum(files))
    ref, data = write_manifest(forged, repository.signing_key())
    after.store.create(ref.path, data)
    with pytest.raises(IntegrityError, match=f"retired key '{repository.key.name}', which had not signed it"):
        Catalogue(after).read(ref)


def test_rotate_passes_over_what_nobody_of_ours_has_signed(repository: BackupRepository, source: Path) -> None:
    good = snapshot(repository, source)
    ref, data = write_manifest(good.manifest.model_copy(update={"created": NOW}), Key.new())
    repository.store.create(ref.path, data)
    (after,) = rotated(repository)
    assert newest_record(after.store)[0].retired[0].manifests == (good.ref.sha256,)


def test_rotate_carries_both_places_along(repository: BackupRepository, source: Path, tmp_path: Path) -> None:
    second = with_key(repository_at(tmp_path / "second"), repository.key)
    snapshot(repository, source)
    replicate(repository, second)
    late = snapshot(repository, source)
    first, other = rotated(repository, second)
    assert replicate(first, other).snapshots == (late.ref,)
    assert contents(restore(other, late.ref, tmp_path / "back").folder) == contents(source)
    fresh = with_key(repository_at(tmp_path / "third"), first.key)
    assert len(replicate(other, fresh).snapshots) == 2
    assert contents(restored(fresh, SUBJECT, tmp_path / "back3").folder) == contents(source)


def test_rotate_killed_between_two_places_goes_on_with_the_same_key(
    repository: BackupRepository, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = with_key(repository_at(tmp_path / "second"), repository.key)
    snapshot(repository, source)
    replicate(repository, second)
    key = Key.new()
    repositories = [with_key(one, key, repository.signing_key()) for one in (repository, second)]

    def die(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(key_rotation, "failpoint", die)
    with pytest.raises(KeyboardInterrupt):
        rotate(repositories, now=NOW, by="ada", reason="x")
    monkeypatch.undo()
    half = [with_key(one, key, repository.signing_key()) for one in repositories]
    assert is_pending(half)
    assert contents(restored(half[0], SUBJECT, tmp_path / "a").folder) == contents(source)
    assert contents(restored(half[1], SUBJECT, tmp_path / "b").folder) == contents(source)
    with pytest.raises(ConfigError, match="rotation of the key is unfinished: run almanac key rotate again"):
        replicate(*half)
    assert [one.uri for one in rotate(half, now=NOW, by="ada", reason="x")] == [second.uri]
    assert not is_pending(half)
    assert contents(restored(with_key(second, key), SUBJECT, tmp_path / "c").folder) == contents(source)


def test_rotate_without_the_repository_s_key_is_refused_unless_it_is_lost(
    repository: BackupRepository, source: Path
) -> None:
    taken = snapshot(repository, source)
    stranger = with_key(repository, Key.new())
    with pytest.raises(ConfigError, match=f"expected {repository.key.name}.*--without-old"):
        rotate([stranger], now=NOW, by="ada", reason="x")
    rotate([stranger], now=NOW, by="ada", reason="lost", without_old=True)
    after = with_key(repository, stranger.signing_key())
    with pytest.raises(IntegrityError, match="written with another key"):
        Catalogue(after).read(taken.ref)
    assert Catalogue(with_key(repository, stranger.signing_key())).read(snapshot(after, source).ref)


def test_claim_of_a_record_that_somebody_without_the_key_wrote_is_refused(
    repository: BackupRepository, source: Path
) -> None:
    snapshot(repository, source)
    record, _ = newest_record(repository.store)
    write_record(repository.store, record.model_copy(update={"number": 2}), Key.new())
    with pytest.raises(IntegrityError, match="but that key did not sign it"):
        claim(repository.store, repository.signing_key())
    assert restored(repository, SUBJECT, Path(repository.uri).parent / "back")  # reading goes on


@pytest.mark.parametrize("text", ["", "[]", '{"body": {"number": 1}}', "[" * 100_000, '{"body": 1, "hmac_sha256": 2}'])
def test_claim_of_a_damaged_record_says_which_file(repository: BackupRepository, source: Path, text: str) -> None:
    snapshot(repository, source)
    (Path(repository.uri) / RECORD).write_text(text)
    with pytest.raises(IntegrityError, match=f"{RECORD}: damaged"):
        snapshot(repository, source)
    assert restored(repository, SUBJECT, Path(repository.uri).parent / "back")


def test_record_holds_no_key_in_the_clear(repository: BackupRepository, source: Path) -> None:
    snapshot(repository, source)
    (after,) = rotated(repository)
    texts = [path.read_text() for path in (Path(repository.uri) / "keys").iterdir()]
    assert len(texts) == 2
    assert json.loads(texts[0])
    for key in (repository.key, after.key):
        assert not any(key.text in text or key.master.hex() in text for text in texts)
