"""Upgrades the journal's tables to the revision of this release, by Alembic.

The only code that changes tables which exist. It runs where a person or a deployment asks for it, never in a task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.exc import ProgrammingError

from almanac.errors import JournalSchemaError
from almanac.journal import tables
from almanac.journal.database import Database
from almanac.journal.exclusive import exclusive
from almanac.journal.schema import HEAD, check_revision, lock_schema

_WAIT_S = 600.0  # for another process that upgrades; its backup takes longest
_LOCK_S = 60  # for tasks that use a table


@dataclass(frozen=True)
class Upgrade:
    """One upgrade.

    Attributes:
        place: of the journal, without a password.
        before: its revision; None: there was no journal.
        after: its revision now.
    """

    place: str
    before: str | None
    after: str = HEAD

    @property
    def changed(self) -> bool:
        """Whether tables that existed were changed."""
        return self.before not in (None, self.after)


def upgrade_journal(url: str, back_up: Callable[[], object]) -> Upgrade:
    """Upgrade a journal, or create it; harmless when it is current. Of two processes one upgrades, the other waits.

    Args:
        url: the operations database.
        back_up: called before tables that exist are changed; when it raises, nothing is changed.

    Raises:
        JournalSchemaError: it is of a newer release, or no journal of 0.1 or later; nothing was changed.
        TransientError: it is locked or away; nothing was changed.
    """
    database = Database(url)
    found = database.revision()
    if found == HEAD:
        return Upgrade(database.place, found)
    with exclusive(url, "journal-upgrade", wait_s=_WAIT_S):
        found = database.revision()
        if found is not None and found < HEAD:
            back_up()
            with database.begin_unchecked() as connection:
                _migrate(connection, database.place)
        with database.begin():  # refuses a newer one, and creates what does not exist
            return Upgrade(database.place, found)


def find_upgrade(url: str) -> Upgrade:
    """What `upgrade_journal` would do, without doing it.

    Raises:
        JournalSchemaError: it is of a newer release.
        TransientError: it is away.
    """
    database = Database(url)
    found = database.revision()
    if found is not None and found > HEAD:
        check_revision(found, database.place)
    return Upgrade(database.place, found)


def _migrate(connection: Any, place: str) -> None:
    from alembic import command
    from alembic.config import Config

    lock_schema(connection)
    if connection.dialect.name == "postgresql":
        # an index of a large table takes longer than a statement of a task
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_S}s'"))
        _set_owner_role(connection, place)
    config = Config()
    config.set_main_option("script_location", "almanac.journal:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
    if lacking := _lacking(connection):
        raise JournalSchemaError(
            f"journal {place}: its tables are no journal of release 0.1 or later: after the upgrade they would lack"
            f" {', '.join(lacking)}. Nothing was changed. Open it with release 0.1 once, or name another database"
        )


def _set_owner_role(connection: Any, place: str) -> None:
    """New tables must belong to the owner of the others: tasks log in as that user, and no other may write them."""
    query = "SELECT pg_get_userbyid(relowner), current_user FROM pg_class WHERE oid = to_regclass('batches')"
    owner, user = connection.execute(text(query)).one()
    try:
        connection.execute(text(f"SET LOCAL ROLE {connection.dialect.identifier_preparer.quote(owner)}"))
    except ProgrammingError as error:
        raise JournalSchemaError(
            f"journal {place}: its tables belong to {owner!r}, and {user!r} may not act as that user; nothing was"
            f" changed. Upgrade it as {owner!r} (the service airflow-init does)"
        ) from error


def _lacking(connection: Any) -> list[str]:
    """The tables and columns of this release that a database does not have."""
    found = inspect(connection)
    names = {name: {column["name"] for column in found.get_columns(name)} for name in found.get_table_names()}
    return [
        f"{table.name}.{column.name}"
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if column.name not in names.get(table.name, ())
    ]
