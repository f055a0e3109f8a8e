"""The connections of the installation's own services, and which of Airflow's sources may define them.

Airflow gives rights on connections to all of them together: a role that may make one for a source may also make
`almanac_backup`, whose password signs backups. So these count where only anyone who runs the installation can write: in
the environment of the process and in a secrets back end. One in Airflow's database counts only if
`ALMANAC_DATABASE_CONNECTIONS` says so. See docs/production.md.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from almanac.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from airflow.sdk.bases.secrets_backend import BaseSecretsBackend

log = logging.getLogger(__name__)

BACKUP, STORAGE, JOURNAL = "almanac_backup", "almanac_storage", "almanac_journal"
MLFLOW, AIRFLOW = "almanac_mlflow", "almanac_airflow"
RESERVED = frozenset({BACKUP, STORAGE, JOURNAL, MLFLOW, AIRFLOW})
VARIABLE = "ALMANAC_DATABASE_CONNECTIONS"
# Airflow's database, read directly (api-server) or through the api-server (tasks, triggerer).
_DATABASE = frozenset({"MetastoreBackend", "ExecutionAPISecretsBackend"})


def find_reserved(name: str) -> "Connection | None":
    """A connection of the installation; None where there is none that counts.

    Raises:
        ConfigError: `ALMANAC_DATABASE_CONNECTIONS` is neither True nor False.
        TransientError: a secrets back end did not answer. Airflow would go on with the next one, and at last with its
            database, in which others can write.
    """
    if database_counts():
        try:
            return BaseHook.get_connection(name)
        except AirflowNotFoundException:
            return None
    for back_end in _back_ends():
        if found := _find_in(back_end, name):
            return found
    _warn_of_one_in_the_database(name)
    return None


async def find_reserved_in_triggerer(name: str) -> "Connection | None":
    """The same where the event loop must not block."""
    from asgiref.sync import sync_to_async

    if database_counts():
        try:
            return await BaseHook.aget_connection(name)
        except AirflowNotFoundException:
            return None
    for back_end in _back_ends():
        if found := await sync_to_async(_find_in)(back_end, name):
            return found
    return None


def database_counts() -> bool:
    """Whether reserved connections in Airflow's database count in this installation.

    Raises:
        ConfigError: the variable is neither True nor False.
    """
    value = os.environ.get(VARIABLE, "") or "False"
    if value not in ("True", "False"):
        raise ConfigError(f"{VARIABLE}: neither True nor False; got {value!r}. See docs/production.md")
    return value == "True"


def _back_ends(*, of_the_database: bool = False) -> "Iterator[BaseSecretsBackend]":
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    for back_end in ensure_secrets_backend_loaded():
        if any(one.__name__ in _DATABASE for one in type(back_end).__mro__) == of_the_database:
            yield back_end


def _find_in(back_end: "BaseSecretsBackend", name: str) -> "Connection | None":
    from airflow.sdk.log import mask_secret

    try:
        found: Connection | None = back_end.get_connection(conn_id=name)
    except Exception as error:
        raise TransientError(
            f"the secrets back end {type(back_end).__name__} did not say whether there is a connection {name!r}:"
            f" {type(error).__name__}. Nothing goes on without its answer"
        ) from error
    if found is not None:
        for secret in (found.password, found.extra):
            if secret:
                mask_secret(secret)
    return found


def _warn_of_one_in_the_database(name: str) -> None:
    with suppress(Exception):  # it does not count anyway
        if any(back_end.get_connection(conn_id=name) for back_end in _back_ends(of_the_database=True)):
            log.warning(
                "the connection %r in Airflow's database does not count, because more people may write there than may"
                " decide on it; give it as AIRFLOW_CONN_%s or by a secrets back end. See docs/production.md",
                name,
                name.upper(),
            )
