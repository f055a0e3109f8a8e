"""Files: whole or not at all."""

from pathlib import Path

import pytest

from include.errors import DataError, TransientError
from include.storage.files import move_into, read_bytes, remove, write_bytes


def test_read_bytes_larger_than_limit_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(str(tmp_path / "a"), max_size_bytes=5) == b"12345"
    with pytest.raises(DataError, match=r"larger than source.max_size_mb; got more than 4 bytes. Deliver it in parts"):
        read_bytes(str(tmp_path / "a"), max_size_bytes=4)


def test_read_bytes_missing_file_stays_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bytes(str(tmp_path / "gone"), max_size_bytes=1)


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


def test_write_bytes_to_a_store() -> None:
    write_bytes("memory://quarantine/a", b"x")
    assert read_bytes("memory://quarantine/a", max_size_bytes=9) == b"x"
    remove("memory://quarantine/a")


def test_move_into_failing_copy_keeps_the_original(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TransientError):
        move_into(str(tmp_path / "a"), b"x", str(tmp_path / "file" / "a"))
    assert (tmp_path / "a").exists()


def test_move_into_twice_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    for _ in range(2):
        move_into(str(tmp_path / "a"), b"x", str(tmp_path / "q" / "a"))
    assert (tmp_path / "q" / "a").read_bytes() == b"x"
    assert not (tmp_path / "a").exists()
