"""Lets a process of Airflow into the object stores, by the connection `almanac_storage` where there is one."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from include.config.home import Home
from include.errors import AlmanacError

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)


def enter_stores(_context: Any = None) -> None:
    """Before a task's own work: what the connection says becomes this process's environment.

    Without the connection the environment stands as it is, or the role of the machine.

    Raises:
        ConfigError: the connection says what no store knows.
    """
    from include.storage.access import CONNECTION

    uris = Home().stores
    if not uris:
        return
    try:
        connection = BaseHook.get_connection(CONNECTION)
    except AirflowNotFoundException:
        return
    _enter(connection, uris)


def try_to_enter_stores() -> None:
    """The same for pages, most of which need no store: those that do say what is wrong."""
    try:
        enter_stores()
    except AlmanacError as error:
        log.error("%s", error)


async def enter_store_of(uri: str) -> None:
    """The same in the triggerer, whose loop must not wait, for one place."""
    from include.storage.access import CONNECTION
    from include.storage.objects import is_remote

    if not is_remote(uri):
        return
    try:
        connection = await BaseHook.aget_connection(CONNECTION)
    except AirflowNotFoundException:
        return
    _enter(connection, [uri])


def _enter(connection: "Connection", uris: Sequence[str]) -> None:
    from include.storage.access import Access, enter

    access = Access(
        login=connection.login,
        password=connection.password,
        host=connection.host,
        extra=connection.extra_dejson,
    )
    enter(access, uris)
