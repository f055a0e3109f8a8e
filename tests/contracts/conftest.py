"""Backup places on every kind of store."""

from pathlib import Path

import pytest

from include.backup.local_store import LocalStore
from include.backup.object_store import ObjectStore
from tests.servers.stores import Store


@pytest.fixture
def folder_backup_store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "backups")


@pytest.fixture
def s3_backup_store(s3_store: Store) -> ObjectStore:
    return ObjectStore(s3_store.uri)


@pytest.fixture
def azure_backup_store(azure_store: Store) -> ObjectStore:
    return ObjectStore(azure_store.uri)
