"""A snapshot is taken, verified and restored; whatever is damaged is found, named, and everything else comes back."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.restore.restore import restore
from almanac.backup.snapshot.sources import SourceFile, below
from almanac.backup.snapshot.verify import Share, verify
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import Key
from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.manifest import FileEntry, Manifest, canonical, content_checksum
from almanac.backup.store.repository import FORMAT_FILE, BackupRepository, open_store
from almanac.errors import ConfigError, DataError, IntegrityError, TransientError
from tests.backup.repositories import (
    MAKER,
    START,
    SUBJECT,
    contents,
    days,
    from_bytes,
    manifest_path,
    object_path,
    repository_at,
    snapshot,
    write_files,
)

NOW = datetime.now(UTC)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_files(tmp_path / "source")
    old = (datetime.now(UTC) - timedelta(days=1)).timestamp()
    for path in (tmp_path / "source").rglob("*"):
        os.utime(path, (old, old))
    return tmp_path / "source"


@pytest.fixture
def repository(tmp_path: Path) -> BackupRepository:
    return repository_at(tmp_path / "backups")


def restored(repository: BackupRepository, text: str, folder: Path) -> Path:
    return restore(repository, Catalogue(repository).find(text), folder).folder


@pytest.mark.parametrize("settings", [{}, {"compress": False}, {"encrypt": True}])
def test_restore_gives_every_byte_back(tmp_path: Path, source: Path, settings: dict[str, bool]) -> None:
    repository = repository_at(tmp_path / "backups", **settings)
    taken = snapshot(repository, source)
    assert contents(restored(repository, SUBJECT, tmp_path / "back")) == contents(source)
    assert verify(repository, [taken.ref], level=3, now=NOW).findings == ()


def test_take_leaves_no_lock_and_nothing_unfinished(repository: BackupRepository, source: Path) -> None:
    snapshot(repository, source)
    assert list(repository.store.list("locks")) == []
    assert list(repository.store.list("tmp")) == []


def test_take_unchanged_reads_nothing_and_is_a_snapshot_of_its_own(repository: BackupRepository, source: Path) -> None:
    first, second = snapshot(repository, source), snapshot(repository, source)
    assert (second.files_read, second.bytes_stored) == (0, 0)
    assert second.manifest.parent == first.ref.name
    assert Catalogue(repository).newest(SUBJECT) == second.ref


def test_take_same_as_the_one_before_writes_no_second_manifest(repository: BackupRepository, source: Path) -> None:
    first = snapshot(repository, source)
    second = snapshot(repository, source, same_as=(first.ref, first.manifest))
    assert not second.written
    assert Catalogue(repository).refs() == (first.ref,)


def test_take_reads_only_what_is_new(repository: BackupRepository, source: Path) -> None:
    snapshot(repository, source)
    (source / "new").write_bytes(b"new")
    taken = snapshot(repository, source)
    assert (taken.files_read, taken.bytes_read) == (1, 3)


def test_take_reread_finds_a_change_that_kept_size_and_time(repository: BackupRepository, source: Path) -> None:
    snapshot(repository, source)
    before = (source / "part-1").stat()
    (source / "part-1").write_bytes(b"x" * before.st_size)
    os.utime(source / "part-1", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert snapshot(repository, source).files_read == 0
    assert snapshot(repository, source, reread=True).files_read > 0
    assert contents(source)["part-1"] == b"x" * before.st_size


def test_take_same_content_twice_is_one_object(repository: BackupRepository, tmp_path: Path) -> None:
    draft = Draft(SUBJECT, [from_bytes("a", b"same"), from_bytes("b", b"same")], {})
    take(repository, draft, maker=MAKER)
    assert len(list(repository.store.list("objects"))) == 1


def test_take_two_files_of_one_path_is_refused(repository: BackupRepository) -> None:
    draft = Draft(SUBJECT, [from_bytes("a", b"one"), from_bytes("a", b"two")], {})
    with pytest.raises(IntegrityError, match="two files would have the same path"):
        take(repository, draft, maker=MAKER)


def test_take_file_that_changes_meanwhile_is_tried_again(repository: BackupRepository) -> None:
    draft = Draft(SUBJECT, [SourceFile("a", lambda: iter([b"longer than that"]), size=3)], {})
    with pytest.raises(TransientError, match="a: changed while it was read"):
        take(repository, draft, maker=MAKER)
    assert Catalogue(repository).refs() == ()


def test_take_source_that_breaks_leaves_no_snapshot(repository: BackupRepository) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"half"
        raise TransientError("the network is away")

    with pytest.raises(TransientError, match="the network is away"):
        take(repository, Draft(SUBJECT, [SourceFile("a", breaks)], {}), maker=MAKER)
    assert Catalogue(repository).refs() == ()
    assert list(repository.store.list("objects")) == []


def test_take_disk_full_says_so_and_leaves_no_snapshot(
    repository: BackupRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    with pytest.raises(TransientError, match=r"No space left on device.*has space"):
        take(repository, Draft(SUBJECT, [from_bytes("a", b"one")], {}), maker=MAKER)
    assert Catalogue(repository).refs() == ()


def test_take_without_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no key to sign with"):
        take(BackupRepository(LocalStore(tmp_path), None), Draft(SUBJECT, [], {}), maker=MAKER)


def test_take_replaces_a_damaged_object_that_it_meets(
    repository: BackupRepository, source: Path, tmp_path: Path
) -> None:
    taken = snapshot(repository, source)
    object_path(repository, taken, "large.log").write_bytes(b"cut")
    snapshot(repository, source)  # its size is wrong, so the file is read again
    assert contents(restored(repository, SUBJECT, tmp_path / "back")) == contents(source)


def test_take_into_a_place_of_a_later_format_is_refused(repository: BackupRepository, source: Path) -> None:
    Path(repository.uri).mkdir()
    Path(repository.uri, FORMAT_FILE).write_bytes(canonical({"format": 2}))
    with pytest.raises(IntegrityError, match=r"unknown format of a backup repository; got 2, expected 1"):
        snapshot(repository, source)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _zero(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:4196] = bytes(4096)
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _swap(path: Path) -> None:
    """The bytes of another, whole object of the same place."""
    other = max((one for one in path.parents[1].rglob("*") if one.is_file() and one != path), key=lambda p: p.name)
    shutil.copy(other, path)


@pytest.mark.parametrize("damage", [_flip, _zero, _truncate, _swap, Path.unlink])
@pytest.mark.parametrize("settings", [{}, {"encrypt": True}])
def test_damaged_object_is_found_named_and_the_rest_comes_back(
    tmp_path: Path, source: Path, damage: Callable[[Path], None], settings: dict[str, bool]
) -> None:
    repository = repository_at(tmp_path / "backups", **settings)
    taken = snapshot(repository, source)
    damage(object_path(repository, taken, "large.log"))
    found = verify(repository, [taken.ref], level=3, now=NOW).findings
    assert [finding.fatal for finding in found] == [True]
    assert "large.log" in found[0].text
    with pytest.raises(IntegrityError, match=r"1 of 10 files are damaged; nothing was restored(.|\n)*large\.log"):
        restore(repository, taken.ref, tmp_path / "back")
    assert [*tmp_path.glob("back"), *tmp_path.glob(".back*")] == []
    partial = restore(repository, taken.ref, tmp_path / "back", partial=True)
    assert "large.log" in partial.damaged[0]
    assert contents(partial.folder) == {k: v for k, v in contents(source).items() if k != "large.log"}


def test_verify_level_2_sees_sizes_and_level_3_sees_bits(repository: BackupRepository, source: Path) -> None:
    taken = snapshot(repository, source)
    _flip(object_path(repository, taken, "large.log"))
    assert verify(repository, [taken.ref], level=2, now=NOW).findings == ()
    assert verify(repository, [taken.ref], level=3, now=NOW).findings != ()


def test_verify_share_reads_every_object_once_in_its_days(repository: BackupRepository, source: Path) -> None:
    taken = snapshot(repository, source)
    _flip(object_path(repository, taken, "large.log"))
    looks = [
        verify(repository, [taken.ref], level=3, now=NOW, share=Share.today(7, START + days(day))) for day in range(7)
    ]
    assert sum(look.objects for look in looks) == 10
    assert sum(bool(look.findings) for look in looks) == 1


def test_verify_missing_parent_is_reported_and_harmless(
    repository: BackupRepository, source: Path, tmp_path: Path
) -> None:
    first, second = snapshot(repository, source), snapshot(repository, source)
    manifest_path(repository, first.ref).unlink()
    (finding,) = verify(repository, [second.ref], level=3, now=NOW).findings
    assert not finding.fatal
    assert first.ref.name in finding.text
    assert contents(restored(repository, SUBJECT, tmp_path / "back")) == contents(source)


def test_verify_pointer_put_back_is_reported(repository: BackupRepository, source: Path) -> None:
    first = snapshot(repository, source)
    pointer = Path(repository.uri, f"latest/{SUBJECT}.json")
    old = pointer.read_bytes()
    second = snapshot(repository, source)
    pointer.write_bytes(old)
    (finding,) = verify(repository, [second.ref], level=1, now=NOW).findings
    assert first.ref.name in finding.text
    assert Catalogue(repository).newest(SUBJECT) == second.ref  # readers list; the pointer misleads nobody


def test_old_manifest_replayed_under_a_new_time_is_refused(repository: BackupRepository, source: Path) -> None:
    first = snapshot(repository, source, at=START)
    second = snapshot(repository, source, at=START + days(1))
    replayed = manifest_path(repository, second.ref).with_name(f"20270101T000000.000000Z-{first.ref.sha256}.json")
    shutil.copy(manifest_path(repository, first.ref), replayed)
    ref = Catalogue(repository).refs()[-1]
    with pytest.raises(IntegrityError, match="put here by somebody else"):
        Catalogue(repository).read(ref)


def test_swept_manifest_put_back_is_reported_and_not_listed(repository: BackupRepository, source: Path) -> None:
    first = snapshot(repository, source)
    (source / "part-1").write_bytes(b"other")
    second = snapshot(repository, source)
    catalogue = Catalogue(repository)
    catalogue.add_tombstone(first.ref, at=NOW, by="ada", reason="old")
    object_path(repository, first, "part-1").unlink()  # what a sweep does; the manifest is the one put back
    assert catalogue.refs() == (second.ref,)
    (finding,) = verify(repository, [second.ref], level=2, now=NOW).findings
    assert "but its manifest is there again" in finding.text


def test_damaged_manifest_is_reported_and_others_come_back(
    repository: BackupRepository, source: Path, tmp_path: Path
) -> None:
    first, second = snapshot(repository, source), snapshot(repository, source)
    _flip(manifest_path(repository, second.ref))
    found = verify(repository, Catalogue(repository).refs(), level=3, now=NOW).findings
    assert [finding.ref for finding in found if finding.fatal] == [second.ref]
    assert contents(restore(repository, first.ref, tmp_path / "back").folder) == contents(source)
    assert snapshot(repository, source).files_read == 10  # and a damaged parent is nobody's base


def test_restore_into_a_folder_in_use_is_refused(repository: BackupRepository, source: Path, tmp_path: Path) -> None:
    taken = snapshot(repository, source)
    with pytest.raises(ConfigError, match="is in use"):
        restore(repository, taken.ref, source)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is in use"):
        restore(repository, taken.ref, tmp_path / "link")


def test_restore_into_an_empty_folder_works(repository: BackupRepository, source: Path, tmp_path: Path) -> None:
    taken = snapshot(repository, source)
    (tmp_path / "back").mkdir()
    assert contents(restore(repository, taken.ref, tmp_path / "back").folder) == contents(source)


def test_restore_more_than_the_disk_holds_is_refused(repository: BackupRepository, tmp_path: Path) -> None:
    """10 GB from 10 KB, honestly declared: the disk decides."""
    files = (FileEntry(path="a", size=1 << 60, sha256="a" * 64, stored_size=1, codec="raw"),)
    hostile = Manifest(subject=SUBJECT, created=NOW, files=files, content=content_checksum(files))
    ref = Catalogue(repository).add(hostile)
    with pytest.raises(TransientError, match="too small"):
        restore(repository, ref, tmp_path / "back")


def test_sources_leave_symbolic_links_out(source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (source / "link").symlink_to(tmp_path / "secret")
    (source / "folder").symlink_to(tmp_path)
    assert not {"link", "folder/secret"} & {file.path for file in below(str(source))}


@pytest.mark.parametrize("text", ["dataset/weather@2026", "abcdef", "", "dataset/other"])
def test_find_nothing_says_what_there_is(repository: BackupRepository, source: Path, text: str) -> None:
    snapshot(repository, source, at=START - days(400))
    with pytest.raises(DataError, match=r"no snapshot matches.*dataset/weather"):
        Catalogue(repository).find(text)


def test_find_by_time_by_hash_and_by_what_is_shown(repository: BackupRepository, source: Path) -> None:
    first, second = snapshot(repository, source, at=START), snapshot(repository, source, at=START + days(1))
    find = Catalogue(repository).find
    assert find(SUBJECT) == second.ref
    assert find(f"{SUBJECT}@20260101") == first.ref
    assert find(first.ref.sha256[:10]) == first.ref
    assert find(str(first.ref)) == first.ref
    with pytest.raises(DataError, match="2 snapshots match"):
        find(f"{SUBJECT}@2026")


def test_place_of_unknown_scheme_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 'ftp://host/backups'; expected an absolute path or one of"):
        open_store("ftp://host/backups")
    with pytest.raises(ConfigError, match="got 'backups', expected an absolute path"):
        open_store("backups")


def test_restore_signed_by_another_key_is_refused(repository: BackupRepository, source: Path, tmp_path: Path) -> None:
    taken = snapshot(repository, source)
    with pytest.raises(IntegrityError, match="signature"):
        restore(BackupRepository(repository.store, Key.new()), taken.ref, tmp_path / "back")
    unsigned = restore(BackupRepository(repository.store, None), taken.ref, tmp_path / "back")
    assert contents(unsigned.folder) == contents(source)
