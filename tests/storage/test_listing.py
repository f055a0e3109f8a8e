"""Listing: what may be taken, and what is never taken."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.errors import ConfigError
from almanac.storage.listing import StoredFile, list_files, remove_unchanged


def _names(folder: Path, *patterns: str) -> list[str]:
    return [file.name for file in list_files(str(folder), patterns or ("*.csv",))]


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_list_files_takes_capital_and_small_letters_for_the_same(tmp_path: Path) -> None:
    (tmp_path / "DATA.CSV").touch()
    assert _names(tmp_path) == _names(tmp_path, "Data.*") == ["DATA.CSV"]


def test_list_files_missing_folder_is_empty(tmp_path: Path) -> None:
    assert _names(tmp_path / "nowhere") == []


def test_list_files_says_size_time_and_uri(tmp_path: Path) -> None:
    _touch(tmp_path, "a.csv")
    os.utime(tmp_path / "a.csv", (1_600_000_000.25, 1_600_000_000.25))
    assert list_files(str(tmp_path), ["*.csv"]) == [
        StoredFile(f"{tmp_path}/a.csv", "a.csv", 1, datetime.fromtimestamp(1_600_000_000.25, UTC))
    ]


def test_list_files_leaves_hidden_and_temporary_names(tmp_path: Path) -> None:
    _touch(tmp_path, "a.csv", ".b.csv", "_c.csv", "d.csv.tmp", "e.csv.part", "f.txt", "_temporary/g.csv")
    assert _names(tmp_path, "*", "*/*") == ["a.csv", "f.txt"]
    assert _names(tmp_path, "*.csv") == ["a.csv"]


def test_list_files_enters_folders_only_as_deep_as_patterns(tmp_path: Path) -> None:
    _touch(tmp_path, "a.csv", "2021/b.csv", "2021/01/c.csv")
    assert _names(tmp_path) == ["a.csv"]
    assert _names(tmp_path, "*.csv", "20*/*.csv") == ["b.csv", "a.csv"]


def test_list_files_does_not_follow_links(tmp_path: Path) -> None:
    _touch(tmp_path, "outside/secret.csv", "landing/a.csv")
    (tmp_path / "landing/link.csv").symlink_to(tmp_path / "outside/secret.csv")
    (tmp_path / "landing/folder").symlink_to(tmp_path / "outside")
    assert _names(tmp_path / "landing", "*.csv", "*/*.csv") == ["a.csv"]


def test_list_files_leaves_unsafe_names_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _touch(tmp_path, "ä ö.csv", "=cmd.csv", "new\nline.csv", "back\\slash.csv", "a::b.csv")
    (tmp_path / os.fsdecode(b"\xff.csv")).write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        assert _names(tmp_path) == ["=cmd.csv", "ä ö.csv"]
    assert len(caplog.records) == 4
    assert "is never ingested: control characters" in caplog.text


def test_list_files_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    assert _names(tmp_path) == []


def test_list_files_store_without_a_client_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"nosuch://x: no client for 'nosuch'; expected a path, file://, s3://"):
        list_files("nosuch://x", ["*"])


def test_stored_file_survives_json(tmp_path: Path) -> None:
    _touch(tmp_path, "a.csv")
    (found,) = list_files(str(tmp_path), ["*"])
    assert StoredFile.from_json(found.to_json()) == found


def test_remove_unchanged_spares_a_newer_file_of_the_same_name(tmp_path: Path) -> None:
    _touch(tmp_path, "a.csv")
    (found,) = list_files(str(tmp_path), ["*"])
    (tmp_path / "a.csv").write_bytes(b"new")
    assert not remove_unchanged(found)
    (newer,) = list_files(str(tmp_path), ["*"])
    assert remove_unchanged(newer)
    assert remove_unchanged(newer)
    assert list_files(str(tmp_path), ["*"]) == []
