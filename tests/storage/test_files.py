"""Files: whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from almanac.errors import TransientError
from almanac.storage.files import copy_file, hash_file, move_file, read_bytes, remove, write_bytes


def test_read_bytes_and_hash_file_of_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert read_bytes(str(tmp_path / "a")) == b"abc"
    # known answer: FIPS 180-2, appendix B.1
    assert hash_file(str(tmp_path / "a")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_read_bytes_missing_file_stays_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bytes(str(tmp_path / "gone"))


def test_write_bytes_replaces_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a"
    write_bytes(str(target), b"one")
    write_bytes(f"file://{target}", b"two")
    assert target.read_bytes() == b"two"
    assert list(target.parent.iterdir()) == [target]


def test_write_bytes_where_it_cannot_is_transient(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a file, no folder")
    with pytest.raises(TransientError, match=r"could not be written: (NotADirectory|FileExists)Error"):
        write_bytes(str(tmp_path / "a" / "b"), b"x")


def test_remove_twice_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    for _ in range(2):
        remove(str(tmp_path / "a"))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("place", [copy_file, move_file])
def test_place_file_is_on_the_disk_before_it_has_its_name(
    place: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "made", tmp_path / "table" / "part.parquet"
    source.write_bytes(b"rows")
    named_at_sync: list[bool] = []

    def sync(descriptor: int) -> None:
        named_at_sync.append(target.exists())

    monkeypatch.setattr(os, "fsync", sync)
    place(source, str(target))
    assert named_at_sync == [False, True]  # the file before it is named, its folder after
    assert target.read_bytes() == b"rows"
    assert [path.name for path in target.parent.iterdir()] == ["part.parquet"]
    assert source.exists() is (place is copy_file)


@pytest.mark.parametrize("place", [copy_file, move_file])
def test_place_file_that_cannot_be_synced_leaves_nothing(
    place: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "made", tmp_path / "table" / "part.parquet"
    source.write_bytes(b"rows")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TransientError, match=r"could not be written: OSError: .*No space left"):
        place(source, str(target))
    assert list(target.parent.iterdir()) == []
