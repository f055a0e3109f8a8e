"""Gives a process of Airflow the credentials of the installation's services: object stores, journal, MLflow.

They come from the connections `almanac_storage`, `almanac_journal`, `almanac_mlflow` and `almanac_backup`, read from
the sources that `almanac_airflow.access.reserved` accepts.
"""

import logging
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.errors import AlmanacError
from almanac_airflow.access.reserved import BACKUP, find_reserved, find_reserved_in_triggerer

if TYPE_CHECKING:
    from airflow.sdk import Connection as AirflowConnection

    from almanac.config.connection import Connection

log = logging.getLogger(__name__)


def load_connections(_context: Any = None) -> None:
    """Make the credentials known to this process; Airflow calls it before each task.

    Without a connection the environment counts, or the role of the machine.

    Raises:
        ConfigError: a connection has a field that its service does not know.
    """
    from almanac.config.connection import register_connection
    from almanac.storage.access import CONNECTION, load_credentials

    home = Home()
    for name in _services(home):
        if found := _find(name):
            register_connection(name, found)
    if home.stores and (found := _find(CONNECTION)):
        load_credentials(found, home.stores)


def try_to_load_connections(_context: Any = None) -> None:
    """The same for pages and alerts: most of them need no store, and the one that does says what is wrong."""
    try:
        load_connections()
    except AlmanacError as error:
        log.error("%s", error)


async def load_store_connection(uri: str) -> None:
    """The same in the triggerer, whose event loop must not block, for one location."""
    from almanac.storage.access import CONNECTION, load_credentials
    from almanac.storage.objects import is_remote

    if not is_remote(uri):
        return
    if connection := await find_reserved_in_triggerer(CONNECTION):
        load_credentials(_parts(connection), [uri])


def backup_key() -> str:
    """The key of the backup repository, from the connection `almanac_backup`; empty without one. For tasks only."""
    found = find_reserved(BACKUP)
    return (found.password if found else None) or ""


def _services(home: Home) -> list[str]:
    """The connections of services that ask for a login; a file does not."""
    from almanac.journal import location
    from almanac.registry import client_settings

    found = [] if home.journal_url.startswith("sqlite") else [location.CONNECTION]
    return found + ([client_settings.CONNECTION] if home.tracking_uri.startswith(("http://", "https://")) else [])


def _find(name: str) -> "Connection | None":
    found = find_reserved(name)
    return _parts(found) if found else None


def _parts(found: "AirflowConnection") -> "Connection":
    from almanac.config.connection import Connection

    return Connection(
        login=found.login,
        password=found.password,
        host=found.host,
        port=found.port,
        schema=found.schema,
        extra=found.extra_dejson,
    )
