"""Sources resolved from Airflow connections: addresses and secrets live there, and nowhere else."""

from base64 import b64encode
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from almanac.config.sections.sources import AnySource, HttpSource, SqlSource
from almanac.errors import ConfigError
from almanac_airflow.access.reserved import AIRFLOW, find_reserved

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from sqlalchemy.engine import URL

    from almanac.config.home import Home
    from almanac.data.sources.http_client import Endpoint
    from almanac.data.sources.port import SourceReader
    from almanac.health.airflow_history import AirflowHistory

_DRIVERS = {"postgres": "postgresql+psycopg2", "mysql": "mysql+pymysql", "mssql": "mssql+pyodbc"}


def task_history(home: "Home") -> "AirflowHistory | None":
    """The client that lists the runs of a model's DAGs: of the connection `almanac_airflow`, else of this machine.

    The connection has address, user and password; or a token as password alone. Workers of a distributed installation
    need it: they see neither Airflow's database nor the files of the home.
    """
    from airflow.sdk.configuration import conf

    from almanac.health.airflow_history import AirflowHistory
    from almanac.services.airflow_api import AirflowClient

    pages = conf.get("api", "base_url", fallback="")
    found = find_reserved(AIRFLOW)
    if found is None:
        return AirflowHistory.of(home, pages)
    password, token = (found.password, "") if found.login else ("", found.password)
    address = _url(found).rstrip("/")
    client = AirflowClient(address, found.login or "", password or "", token=token or "", timeout_s=10.0)
    return AirflowHistory(client, pages)


def open_reader(source: AnySource) -> "SourceReader":
    """The reader of a source that is fetched.

    Raises:
        ConfigError: the connection does not exist or leads nowhere, or the source is files.
    """
    match source:
        case HttpSource():
            from almanac.data.sources.http import HttpReader

            return HttpReader(source, _endpoint(source.connection))
        case SqlSource():
            from almanac.data.sources.sql import SqlReader

            return SqlReader(source, _database(source.connection))
        case _:
            raise ConfigError(f"source.kind: nothing to fetch; got {source.kind!r}, expected http or sql")


def _endpoint(name: str) -> "Endpoint":
    """Host, port and schema give the address.

    Name and password are sent as basic authentication, a password alone as a bearer token, and the extra's `headers`
    as they are.
    """
    from almanac.data.sources.http_client import Endpoint

    connection = _connection(name)
    headers = {str(key): str(value) for key, value in connection.extra_dejson.get("headers", {}).items()}
    if connection.login:
        pair = f"{connection.login}:{connection.password or ''}".encode()
        headers.setdefault("Authorization", f"Basic {b64encode(pair).decode()}")
    elif connection.password:
        headers.setdefault("Authorization", f"Bearer {connection.password}")
    return Endpoint(_url(connection), headers, name)


def search_endpoint(name: str) -> "Endpoint":
    """The address of a search service, with what opens it: an API key, or this machine's identity.

    The connection's host is the address, its password an API key. Without a password the identity of this machine
    counts; the login may name a user-assigned one by its client id.

    Raises:
        ConfigError: the connection does not exist, or its address must not be given a key or a token.
        TransientError: the identity could not be asked for a token.
    """
    from almanac.ai_search.identity import endpoint_of

    connection = _connection(name, "search_indexes.services: connection")
    return endpoint_of(name, _url(connection), key=connection.password or "", client_id=connection.login or "")


def _url(connection: "Connection") -> str:
    host = connection.host or ""
    if "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'https'}://{host}{port}"


def _database(name: str) -> "URL":
    """The extra's `drivername` names dialect and driver where the connection's type does not; `query` is passed on."""
    from sqlalchemy.engine import URL

    connection = _connection(name)
    extra = connection.extra_dejson
    kind = connection.conn_type or ""
    driver = extra.get("drivername") or _DRIVERS.get(kind, kind)
    if driver == "sqlite":  # a file: Airflow keeps its path in the host
        return URL.create(driver, database=connection.host or connection.schema)
    return URL.create(
        driver,
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host or None,
        port=connection.port,
        database=connection.schema or None,
        query=extra.get("query", {}),
    )


def _connection(name: str, key: str = "source.connection") -> "Connection":
    try:
        return BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise ConfigError(
            f"{key}: no Airflow connection {name!r}; add it in the UI (Admin, Connections), or as the"
            f" variable AIRFLOW_CONN_{name.upper()}. See docs/add-a-model.md."
        ) from error
