"""Every kind of store: a place for files, and a backup repository."""

from pathlib import Path

import pytest

from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.object_store import ObjectStore
from tests.servers.stores import Store


@pytest.fixture(params=["local", "s3", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a place that nobody else uses."""
    if request.param == "local":
        return str(tmp_path / "place")
    return str(request.getfixturevalue(f"{request.param}_store").uri)


@pytest.fixture
def folder_backup_store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "backups")


@pytest.fixture
def s3_backup_store(s3_store: Store) -> ObjectStore:
    return ObjectStore(s3_store.uri)


@pytest.fixture
def azure_backup_store(azure_store: Store) -> ObjectStore:
    return ObjectStore(azure_store.uri)
