"""Tasks and the triggerer get into the stores by the Airflow connection, or by what the environment says already."""

import asyncio
import os

import pytest
from almanac.policies import DEFAULT_ARGS
from almanac.storage import enter_store_of, enter_stores, try_to_enter_stores

from include.errors import ConfigError
from include.storage.access import VARIABLE
from include.storage.files import exists, read_bytes, write_bytes
from tests.servers.stores import Store
from tests.storage.test_access import as_connection


@pytest.fixture
def behind(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose keys only the connection holds."""
    monkeypatch.setenv("ALMANAC_LANDING", any_store.uri)
    monkeypatch.setenv(VARIABLE, as_connection(any_store))
    for name in any_store.environment:
        monkeypatch.delenv(name)
    return any_store


def test_enter_stores_before_every_task_takes_the_connection(behind: Store) -> None:
    assert DEFAULT_ARGS["pre_execute"] is enter_stores
    enter_stores({})
    write_bytes(f"{behind.uri}/a", b"x")
    assert read_bytes(f"{behind.uri}/a") == b"x"


def test_enter_store_of_in_the_triggerer_takes_the_connection(behind: Store) -> None:
    asyncio.run(enter_store_of(behind.uri))
    write_bytes(f"{behind.uri}/a", b"x")
    assert read_bytes(f"{behind.uri}/a") == b"x"


def test_enter_stores_without_a_connection_leaves_the_environment(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_LANDING", any_store.uri)
    before = dict(os.environ)
    enter_stores({})
    asyncio.run(enter_store_of(any_store.uri))
    assert dict(os.environ) == before


def test_enter_stores_of_folders_asks_for_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, '{"login": "id", "extra": {"role_arn": "x"}}')
    before = dict(os.environ)
    enter_stores({})
    assert dict(os.environ) == before
    monkeypatch.setenv("ALMANAC_DATASETS", "s3://bucket/datasets")
    with pytest.raises(ConfigError, match="unknown"):
        enter_stores({})


def test_pages_enter_the_stores_and_outlive_a_wrong_connection(
    behind: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    try_to_enter_stores()
    write_bytes(f"{behind.uri}/a", b"x")
    assert exists(f"{behind.uri}/a")
    monkeypatch.setenv(VARIABLE, '{"login": "id", "extra": {"role_arn": "x"}}')
    try_to_enter_stores()
    assert "unknown ['role_arn']" in caplog.text
