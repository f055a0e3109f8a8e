"""Tasks and the triggerer get into the stores by the Airflow connection, or by what the environment says already."""

import asyncio
import os

import pytest
from airflow.sdk import Connection
from airflow.sdk.execution_time import supervisor

from almanac.config import connection
from almanac.config.home import Home
from almanac.errors import ConfigError
from almanac.journal.location import with_login
from almanac.registry.client_settings import configure_client
from almanac.storage.access import VARIABLE
from almanac.storage.files import exists, read_bytes, write_bytes
from almanac_airflow.access.credentials import load_connections, load_store_connection, try_to_load_connections
from tests.plugins.back_ends import Vault
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


def test_load_connections_takes_the_connection(behind: Store) -> None:
    load_connections({})
    write_bytes(f"{behind.uri}/a", b"x")
    assert read_bytes(f"{behind.uri}/a") == b"x"


def test_load_store_connection_in_the_triggerer_takes_the_connection(behind: Store) -> None:
    asyncio.run(load_store_connection(behind.uri))
    write_bytes(f"{behind.uri}/a", b"x")
    assert read_bytes(f"{behind.uri}/a") == b"x"


def test_load_connections_without_a_connection_leaves_the_environment(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_LANDING", any_store.uri)
    before = dict(os.environ)
    load_connections({})
    asyncio.run(load_store_connection(any_store.uri))
    assert dict(os.environ) == before


def test_load_connections_of_folders_asks_for_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, '{"login": "id", "extra": {"role_arn": "x"}}')
    before = dict(os.environ)
    load_connections({})
    assert dict(os.environ) == before
    monkeypatch.setenv("ALMANAC_DATASETS", "s3://bucket/datasets")
    with pytest.raises(ConfigError, match="unknown"):
        load_connections({})


def test_pages_enter_the_stores_and_outlive_a_wrong_connection(
    behind: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    try_to_load_connections()
    write_bytes(f"{behind.uri}/a", b"x")
    assert exists(f"{behind.uri}/a")
    monkeypatch.setenv(VARIABLE, '{"login": "id", "extra": {"role_arn": "x"}}')
    try_to_load_connections()
    assert "unknown ['role_arn']" in caplog.text


@pytest.fixture
def back_end(monkeypatch: pytest.MonkeyPatch) -> dict[str, Connection]:
    """The connections that Airflow finds, in whatever back end; the environment has none of them."""
    known: dict[str, Connection] = {}
    monkeypatch.setattr(supervisor, "ensure_secrets_backend_loaded", lambda: [Vault(known)])
    monkeypatch.setattr(connection, "_registered", {})
    monkeypatch.setenv("ALMANAC_JOURNAL_URL", "postgresql+psycopg2://db.port.example/almanac")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.port.example")
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    return known


def test_load_connections_takes_the_logins_of_journal_and_mlflow(
    back_end: dict[str, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "old")
    back_end["almanac_journal"] = Connection(conn_id="almanac_journal", login="writer", password="hush", port=6543)
    back_end["almanac_mlflow"] = Connection(conn_id="almanac_mlflow", login="trainer", password="psst")

    load_connections({})
    configure_client()

    url = with_login(Home().journal_url)
    assert (url.username, url.password, url.host, url.port) == ("writer", "hush", "db.port.example", 6543)
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("trainer", "psst")
    assert "hush" not in str(dict(os.environ))


def test_load_connections_takes_a_password_that_was_changed(back_end: dict[str, Connection]) -> None:
    for password in ("first", "second"):
        back_end["almanac_journal"] = Connection(conn_id="almanac_journal", login="writer", password=password)
        load_connections({})
        assert with_login(Home().journal_url).password == password


def test_load_connections_without_connections_leaves_the_environment(back_end: dict[str, Connection]) -> None:
    load_connections({})
    configure_client()
    assert with_login(Home().journal_url).username is None
    assert "MLFLOW_TRACKING_USERNAME" not in os.environ


def test_load_connections_asks_for_no_login_of_files(
    back_end: dict[str, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALMANAC_JOURNAL_URL")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr(supervisor, "ensure_secrets_backend_loaded", lambda: pytest.fail("asked"))
    load_connections({})
    assert with_login(Home().journal_url).username is None
