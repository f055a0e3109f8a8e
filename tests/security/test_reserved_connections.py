"""What a role may write into Airflow's database decides neither on keys nor on places of the installation."""

import asyncio
import json
import logging

import pytest
from airflow.sdk import Connection
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.secrets import DEFAULT_SECRETS_SEARCH_PATH_WORKERS, execution_api
from airflow.secrets.metastore import MetastoreBackend

from almanac.errors import ConfigError, TransientError
from almanac_airflow.access.credentials import backup_key
from almanac_airflow.access.reserved import RESERVED, VARIABLE, find_reserved, find_reserved_in_triggerer
from tests.plugins.back_ends import Away, ExecutionAPISecretsBackend, Vault

EVIL = {name: Connection(conn_id=name, password="evil") for name in RESERVED}
OURS = {name: Connection(conn_id=name, password="ours") for name in RESERVED}


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What Airflow asks for connections, in its order."""
    found: list[object] = []
    monkeypatch.setattr(supervisor, "ensure_secrets_backend_loaded", lambda: found)
    monkeypatch.delenv(VARIABLE, raising=False)
    return found


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_find_reserved_in_the_database_does_not_count_and_is_reported(
    name: str, sources: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    sources += [Vault({}), ExecutionAPISecretsBackend(EVIL)]
    with caplog.at_level(logging.WARNING):
        assert find_reserved(name) is None
    assert f"{name!r} in Airflow's database does not count" in caplog.text
    assert asyncio.run(find_reserved_in_triggerer(name)) is None


def test_backup_key_comes_from_the_environment_and_never_from_the_database(sources: list[object]) -> None:
    sources += [ExecutionAPISecretsBackend(EVIL)]
    assert backup_key() == ""
    sources.append(Vault(OURS))
    assert backup_key() == "ours"


def test_find_reserved_of_the_environment_as_airflow_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_BACKUP", json.dumps({"conn_type": "generic", "password": "ours"}))
    assert backup_key() == "ours"


def test_find_reserved_counts_the_database_where_the_installation_says_so(
    sources: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.append(ExecutionAPISecretsBackend(EVIL))
    monkeypatch.setenv(VARIABLE, "True")
    monkeypatch.setattr(
        "airflow.sdk.execution_time.context.ensure_secrets_backend_loaded", lambda: sources, raising=False
    )
    assert backup_key() == "evil"
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(ConfigError, match="neither True nor False; got 'yes'"):
        backup_key()


def test_find_reserved_back_end_away_stops_instead_of_asking_the_database(sources: list[object]) -> None:
    sources += [Away(), ExecutionAPISecretsBackend(EVIL)]
    with pytest.raises(TransientError, match="Away did not say"):
        find_reserved("almanac_backup")
    with pytest.raises(TransientError, match="Away did not say"):
        asyncio.run(find_reserved_in_triggerer("almanac_storage"))


def test_the_classes_that_read_the_database_have_the_names_by_which_they_are_known() -> None:
    assert DEFAULT_SECRETS_SEARCH_PATH_WORKERS[-1].endswith(".ExecutionAPISecretsBackend")
    assert execution_api.ExecutionAPISecretsBackend.__name__ == "ExecutionAPISecretsBackend"
    assert MetastoreBackend.__name__ == "MetastoreBackend"
