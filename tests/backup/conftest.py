"""Waiting for the disk is no part of what these tests ask; the store's own contract does wait."""

import pytest

from tests.backup.world import World, shared_world


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(scope="session")
def world() -> World:
    """One small installation for all: two model versions in a real MLflow, tables at several versions, databases."""
    return shared_world()
