"""The database of the journal: its tables are created on first use; safe to use from many processes at once."""

import json
import select
import sqlite3
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

from almanac.config.patience import patience
from almanac.errors import TransientError
from almanac.journal.damage import check_file, damaged, is_damage, make_database
from almanac.journal.location import with_login
from almanac.journal.schema import HEAD, check_revision, create_tables, lock_schema, read_revision

NAME = "journal"  # of its snapshots: database/journal
# From a damaged page SQLite may return a row whose JSON or text is invalid.
_FAULTS = (DBAPIError, json.JSONDecodeError, UnicodeDecodeError)
_BUSY_S = 30.0  # how long a writer waits for another
# Without keepalives a connection whose server is gone would wait without end.
_POSTGRES = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_STATEMENT_S = 60  # a journal's statements take milliseconds


class Database:
    """The journal's tables at a SQLAlchemy URL.

    Raises:
        TransientError: on every transaction: it is locked, full or away.
        JournalSchemaError: on every transaction: its tables are those of another release; see `upgrade`.
        DamagedDatabaseError: on every transaction: its file is damaged.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._checked = False

    @cached_property
    def _engine(self) -> Engine:
        """Made on first use: alerts about a journal that cannot be opened hold one themselves."""
        return _engine(self._url)

    @property
    def place(self) -> str:
        """Its URL without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    def begin(self) -> "Transaction":
        """A transaction: it commits at the end of a `with` block, and rolls back when the block raises."""
        if not self._checked:
            found = self.revision()
            check_revision(self._create() if found is None else found, self.place)
            self._checked = True
        return Transaction(self._engine)

    def begin_unchecked(self) -> "Transaction":
        """A transaction whatever the tables are; for those who read or change their revision."""
        return Transaction(self._engine)

    def revision(self) -> str | None:
        """See `read_revision`."""
        with Transaction(self._engine) as connection:
            return read_revision(connection)

    def _create(self) -> str:
        """Create the tables, unless another process was faster; returns the revision that there is then."""
        with Transaction(self._engine) as connection:
            lock_schema(connection)
            found = read_revision(connection)
            if found is None:
                create_tables(connection)
            return HEAD if found is None else found


class Transaction:
    """`engine.begin()` that raises TransientError for an unavailable database, and DamagedDatabaseError."""

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


def _fault(engine: Engine, error: Exception) -> Exception:
    """The Almanac error for a database error; a caller's error, such as a violated constraint, is returned as it is."""
    location = engine.url.render_as_string(hide_password=True)
    cause = getattr(error, "orig", error)
    if is_damage(error):
        return damaged(NAME, location, cause)
    if isinstance(error, OperationalError):
        return TransientError(
            f"journal {location}: {cause}; check that the database is up and not full, then try again"
        )
    return error


def _engine(url: str) -> Engine:
    parsed = with_login(url)
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
        """SQLite takes an empty file for a new database: a truncated journal would be replaced by an empty one."""
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
    """Wait for PostgreSQL's next answer, for a limited time: a server that hangs does not enforce its own timeouts.

    Installed for every connection of the process while `short_patience` is active.
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
