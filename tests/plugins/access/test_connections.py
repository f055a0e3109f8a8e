"""Airflow connections become addresses, headers and database URLs; a missing one says how to add it."""

import json
from pathlib import Path
from typing import Any

import pytest

from almanac.config.sections.sources import FileSource, HttpSource, SqlSource
from almanac.data.sources.http import HttpReader
from almanac.data.sources.sql import SqlReader
from almanac.errors import ConfigError
from almanac_airflow.access.connections import open_reader

DEFAULTS: dict[str, Any] = {"settle": "0s", "poll": "2s", "sweep": "@daily", "max_size_mb": 1}
HTTP = HttpSource.model_validate({**DEFAULTS, "kind": "http", "connection": "port"})
SQL = SqlSource.model_validate({**DEFAULTS, "kind": "sql", "connection": "port", "query": "SELECT 1"})


def connect(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PORT", json.dumps(values))


@pytest.mark.parametrize(
    ("values", "url", "headers"),
    [
        ({"host": "https://h/api", "password": "t"}, "https://h/api", {"Authorization": "Bearer t"}),
        ({"host": "h", "schema": "http", "port": 81}, "http://h:81", {}),
        ({"host": "h", "login": "ada", "password": "p"}, "https://h", {"Authorization": "Basic YWRhOnA="}),
        (
            {"host": "h", "password": "p", "extra": {"headers": {"Authorization": "x", "A": "b"}}},
            "https://h",
            {"Authorization": "x", "A": "b"},
        ),
    ],
)
def test_open_reader_http_resolves_address_and_authentication(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], url: str, headers: dict[str, str]
) -> None:
    connect(monkeypatch, conn_type="http", **values)
    reader = open_reader(HTTP)
    assert isinstance(reader, HttpReader)
    assert (reader._endpoint.url, reader._endpoint.headers) == (url, headers)
    assert "password" not in repr(reader._endpoint)


@pytest.mark.parametrize(
    ("values", "url"),
    [
        (
            {
                "conn_type": "postgres",
                "host": "h",
                "login": "u",
                "password": "p@/",
                "schema": "d",
                "port": 5433,
                "extra": {"query": {"sslmode": "require"}},
            },
            "postgresql+psycopg2://u:p%40%2F@h:5433/d?sslmode=require",
        ),
        ({"conn_type": "generic", "host": "h", "extra": {"drivername": "oracle+oracledb"}}, "oracle+oracledb://h"),
        ({"conn_type": "sqlite", "host": "/data/a.db"}, "sqlite:////data/a.db"),
    ],
)
def test_open_reader_sql_resolves_the_url(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], url: str) -> None:
    connect(monkeypatch, **values)
    reader = open_reader(SQL)
    assert isinstance(reader, SqlReader)
    assert reader._url.render_as_string(hide_password=False) == url


@pytest.mark.parametrize("source", [HTTP, SQL])
def test_open_reader_no_connection_says_how_to_add_it(tmp_path: Path, source: HttpSource | SqlSource) -> None:
    with pytest.raises(ConfigError, match="no Airflow connection 'port'; add it in the UI"):
        open_reader(source)


def test_open_reader_files_are_not_fetched() -> None:
    with pytest.raises(ConfigError, match="nothing to fetch; got 'files', expected http or sql"):
        open_reader(FileSource.model_validate(DEFAULTS))
