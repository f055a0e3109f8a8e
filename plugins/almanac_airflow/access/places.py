"""Lets a process of Airflow into the places of the installation: object stores, the journal, MLflow.

Who enters is said by the connections `almanac_storage`, `almanac_journal` and `almanac_mlflow`, from the sources that
`almanac_airflow.access.reserved` lets count.
"""

import logging
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.errors import AlmanacError
from almanac_airflow.access.reserved import find_reserved, find_reserved_in_triggerer

if TYPE_CHECKING:
    from airflow.sdk import Connection as AirflowConnection

    from almanac.config.connection import Connection

log = logging.getLogger(__name__)


def enter_places(_context: Any = None) -> None:
    """Before a task's own work: what the connections say becomes known to this process.

    Without a connection the environment stands as it is, or the role of the machine.

    Raises:
        ConfigError: a connection says what its place does not know.
    """
    from almanac.config.connection import hand_over
    from almanac.storage.access import CONNECTION, enter

    home = Home()
    for name in _services(home):
        if found := _find(name):
            hand_over(name, found)
    if home.stores and (found := _find(CONNECTION)):
        enter(found, home.stores)


def try_to_enter_places() -> None:
    """The same for pages and for alerts, most of which need no store: what does says what is wrong."""
    try:
        enter_places()
    except AlmanacError as error:
        log.error("%s", error)


async def enter_store_of(uri: str) -> None:
    """The same in the triggerer, whose loop must not wait, for one place."""
    from almanac.storage.access import CONNECTION, enter
    from almanac.storage.objects import is_remote

    if not is_remote(uri):
        return
    if connection := await find_reserved_in_triggerer(CONNECTION):
        enter(_parts(connection), [uri])


def _services(home: Home) -> list[str]:
    """The connections to services that ask who comes; a file does not."""
    from almanac.journal import place
    from almanac.registry import client_settings

    found = [] if home.journal_url.startswith("sqlite") else [place.CONNECTION]
    return found + ([client_settings.CONNECTION] if home.tracking_uri.startswith(("http://", "https://")) else [])


def _find(name: str) -> "Connection | None":
    found = find_reserved(name)
    return _parts(found) if found else None


def _parts(found: "AirflowConnection") -> "Connection":
    from almanac.config.connection import Connection

    return Connection(
        login=found.login, password=found.password, host=found.host, port=found.port, schema=found.schema,
        extra=found.extra_dejson,
    )  # fmt: skip
