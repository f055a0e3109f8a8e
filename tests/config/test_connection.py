"""Connections where no Airflow runs."""

import pytest

from almanac.config import connection
from almanac.config.connection import Connection, find_connection, register_connection, variable_of
from almanac.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_registered", {})


def test_find_connection_reads_the_variable_that_airflow_would_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"conn_type": "postgres", "login": "a", "password": "b", "host": "c", "port": 1, "schema": "d"}'
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_X", text)
    found = find_connection("almanac_x")
    assert found == Connection(login="a", password="b", host="c", port=1, schema="d")
    assert "'b'" not in repr(found)
    assert find_connection("almanac_y") is None


@pytest.mark.parametrize("extra", ['"{\\"a\\": 1}"', '{"a": 1}'])
def test_find_connection_reads_the_extra_as_text_and_as_json(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_X", f'{{"extra": {extra}}}')
    found = find_connection("almanac_x")
    assert found is not None
    assert found.extra == {"a": 1}


@pytest.mark.parametrize(
    "said", ["postgres://me:hush@host/x", "[]", '"hush"', '{"extra": "{hush"}', '{"port": "hush"}']
)
def test_find_connection_that_cannot_be_read_is_refused_without_what_it_says(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable_of("almanac_x"), said)
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_ALMANAC_X: not a connection; expected JSON") as caught:
        find_connection("almanac_x")
    assert "hush" not in str(caught.value)


def test_find_connection_prefers_what_airflow_has_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_X", '{"login": "old"}')
    register_connection("almanac_x", Connection(login="new"))
    found = find_connection("almanac_x")
    assert found is not None
    assert found.login == "new"
