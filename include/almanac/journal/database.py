"""The database of the journal: made on first use, brought up to date, safe to use from many processes at once."""

import json
import select
import sqlite3
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, Table, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable
from tenacity import (
    retry,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random,
)

from almanac.config.patience import patience
from almanac.errors import TransientError
from almanac.journal import tables
from almanac.journal.damage import check_file, damaged, is_damage, make_database
from almanac.journal.place import entered

NAME = "journal"  # of its snapshots: database/journal
# Of a damaged page SQLite may give a row whose JSON or text is none.
_FAULTS = (DBAPIError, json.JSONDecodeError, UnicodeDecodeError)
_BUSY_S = 30.0  # how long a writer waits for another
# Of a connection whose other side is gone nothing comes any more; the kernel notices, if it is asked to.
_POSTGRES = {
    "connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}  # fmt: skip
_STATEMENT_S = 60  # a journal's statements take milliseconds


class Database:
    """The journal's tables at a SQLAlchemy URL.

    Raises:
        TransientError: it cannot be made; on every transaction: it is locked, full or away.
        DamagedDatabaseError: on every transaction: its file is damaged.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._created = False

    @cached_property
    def _engine(self) -> Engine:
        """Made on first use: whoever tells people of a journal that cannot be opened has one himself."""
        return _engine(self._url)

    def begin(self) -> "Transaction":
        """A transaction: it commits at the end of a `with` block, and rolls back when the block raises."""
        if not self._created:
            self._create_tables()
            self._created = True
        return Transaction(self._engine)

    # PostgreSQL lets the loser of two `IF NOT EXISTS` at once fail on its catalogue; the tables are there then.
    @retry(retry=retry_if_exception_type((IntegrityError, ProgrammingError)), stop=stop_after_attempt(3), reraise=True)
    def _create_tables(self) -> None:
        # Not `create_all`: it looks first and creates then, and two new processes may look before either creates.
        with Transaction(self._engine) as connection:
            for table in tables.metadata.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                _add_columns(connection, table)  # an index may be on one of them
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))


class Transaction:
    """`engine.begin()` with the database's passing faults as TransientError, and damage as DamagedDatabaseError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Any:
        try:
            self._context = self._engine.begin()
            return self._context.__enter__()
        except DBAPIError as error:
            raise _fault(self._engine, error) from error

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._context.__exit__(kind, error, trace)
        except DBAPIError as commit_error:
            raise _fault(self._engine, commit_error) from commit_error
        if isinstance(error, _FAULTS) and (isinstance(error, OperationalError) or is_damage(error)):
            raise _fault(self._engine, error) from error


def _add_columns(connection: Any, table: Table) -> None:
    """Give an older journal the columns that have come since; they have a default, so its rows stay whole."""
    known = {column["name"] for column in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in known:
            declared = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {declared}"))


def _fault(engine: Engine, error: Exception) -> Exception:
    """What a fault of the database means; one that is no fault of it, such as a broken constraint, stays itself."""
    place = engine.url.render_as_string(hide_password=True)
    said = getattr(error, "orig", error)
    if is_damage(error):
        return damaged(NAME, place, said)
    if isinstance(error, OperationalError):
        return TransientError(f"journal {place}: {said}; check that the database is up and not full, then try again")
    return error


def _engine(url: str) -> Engine:
    parsed = entered(url)
    if parsed.get_backend_name() != "sqlite":
        return _postgres(parsed)
    if parsed.database:
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            if not Path(parsed.database).exists():
                make_database(Path(parsed.database))
        except (OSError, sqlite3.OperationalError) as error:
            raise TransientError(
                f"journal {url}: its folder cannot be made: {error}; make room, check the rights, then try again"
            ) from error
    engine = create_engine(url, connect_args={"timeout": _busy_s()})

    @event.listens_for(engine, "do_connect")
    def _look(*_call: object) -> None:
        """SQLite takes an empty file for a new database: a journal that was cut off would begin anew in silence."""
        if parsed.database:
            check_file(NAME, Path(parsed.database))

    @event.listens_for(engine, "connect")
    def _many_processes(connection: Any, _record: object) -> None:
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _postgres(url: URL) -> Engine:
    engine = create_engine(url, pool_pre_ping=True, connect_args=_POSTGRES)

    @event.listens_for(engine, "connect")
    def _limit(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = '{_STATEMENT_S}s'")
        connection.commit()

    if patience().short:
        from psycopg2.extensions import set_wait_callback

        set_wait_callback(_wait_briefly)
    return engine


def _wait_briefly(connection: Any) -> None:
    """Wait for PostgreSQL's next answer; a server that hangs keeps its connections, and its own limits do not count.

    It waits so for every connection of the process, and as long as patience is short; see `short_patience`.
    """
    from psycopg2 import OperationalError as NoAnswer
    from psycopg2.extensions import POLL_OK, POLL_READ

    limit_s = patience().answer_s
    deadline = time.monotonic() + limit_s
    while (state := connection.poll()) != POLL_OK:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise NoAnswer(f"no answer within {limit_s:g} s")
        wanted = [connection.fileno()]
        select.select(wanted if state == POLL_READ else [], [] if state == POLL_READ else wanted, [], left_s)


def _busy_s() -> float:
    return min(_BUSY_S, patience().answer_s)


def _is_busy(error: BaseException) -> bool:
    # the lower byte is the error, the upper one its details
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


# SQLite does not wait for the lock by which a new file becomes one with a write-ahead log: of two processes that open
# it first at the same moment, one would fail at once.
@retry(
    retry=retry_if_exception(_is_busy),
    wait=wait_random(0.01, 0.1),
    stop=lambda state: stop_after_delay(_busy_s())(state),
    reraise=True,
)
def _switch_to_wal(connection: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
