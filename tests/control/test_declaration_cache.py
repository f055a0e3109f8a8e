"""A file is read again when it changes, and no other."""

import os
from pathlib import Path

import pytest

from almanac.config.files import declaration_cache
from almanac.config.files.declaration_cache import DeclarationCache
from almanac.config.files.loader import find_declared
from bench.start_page import declare


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that were read."""
    names: list[str] = []

    def find(folder: Path, name: str) -> object:
        names.append(name)
        return find_declared(folder, name)

    monkeypatch.setattr(declaration_cache, "find_declared", find)
    return names


def touch(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def test_cache_reads_only_what_has_changed(tmp_path: Path, read: list[str]) -> None:
    declare(tmp_path, 2)
    cache = DeclarationCache()
    assert [model.name for model in cache.load(tmp_path).models] == ["bikes", "weather"]
    cache.load(tmp_path)
    assert read == ["bikes", "weather"]

    touch(tmp_path / "weather.yaml")
    cache.load(tmp_path)
    assert read == ["bikes", "weather", "weather"]

    touch(tmp_path / "_defaults.yaml")
    cache.load(tmp_path)
    assert read == ["bikes", "weather", "weather", "bikes", "weather"]


def test_cache_follows_files_that_come_break_and_go(tmp_path: Path) -> None:
    declare(tmp_path, 1)
    cache = DeclarationCache()
    assert cache.load(tmp_path).problems == ()
    (tmp_path / "broken.yaml").write_text("nonsense: 1\n", "utf-8")
    assert "nonsense" in cache.load(tmp_path).problems[0]
    (tmp_path / "broken.yaml").unlink()
    (tmp_path / "bikes.yaml").unlink()
    found = cache.load(tmp_path)
    assert (found.models, found.problems) == ((), ())
