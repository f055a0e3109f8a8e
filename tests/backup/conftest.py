"""Waiting for the disk is no part of what these tests ask; the store's own contract does wait."""

from pathlib import Path

import pytest

from almanac.backup.store.repository import BackupRepository
from tests.backup.repositories import repository_at
from tests.backup.world import World, shared_world


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("almanac.storage.disk.sync_disk", lambda _: None)


@pytest.fixture(scope="session")
def world() -> World:
    """One small installation for all: two model versions in a real MLflow, tables at several versions, databases."""
    return shared_world()


@pytest.fixture
def repository(tmp_path: Path) -> BackupRepository:
    """An empty backup repository of the test's own."""
    return repository_at(tmp_path / "backups")
