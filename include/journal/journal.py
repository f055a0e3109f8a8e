"""Writes and reads the journal. Safe to use from many processes at once."""

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, RowMapping, Table, create_engine, delete, event, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable
from tenacity import (
    retry,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random,
)

from include.errors import TransientError
from include.journal import tables
from include.journal.records import (
    Alert,
    AliasMove,
    Arrival,
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DrillRecord,
    RunRef,
    RunTraces,
    SnapshotRecord,
    Watermark,
    WindowRecord,
    WindowState,
)

_BUSY_S = 30  # how long a writer waits for another
_Record = BatchRecord | Decision | Alert | AliasMove | Watermark | WindowRecord | SnapshotRecord | DrillRecord
_RUN_FIELDS = frozenset(field.name for field in fields(RunRef))


class Journal:
    """The operations database at a SQLAlchemy URL; its tables are made on first use.

    Raises:
        TransientError: on every method, when the database is locked, full or away.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._created = False

    def record_batch(self, batch: BatchRecord) -> None:
        """Write the end of a batch; a second record of the same batch replaces the first."""
        row = _row(batch)
        key = (tables.batches.c.model == batch.model) & (tables.batches.c.batch_id == batch.batch_id)
        with self._begin() as connection:
            connection.execute(delete(tables.batches).where(key))
            connection.execute(insert(tables.batches).values(row))

    def record_arrival(self, arrival: Arrival) -> None:
        """Write that a file was dealt with, so that later listings need not read it again."""
        key = (tables.arrivals.c.model == arrival.model) & (tables.arrivals.c.uri == arrival.uri)
        with self._begin() as connection:
            connection.execute(delete(tables.arrivals).where(key))
            connection.execute(insert(tables.arrivals).values(asdict(arrival)))

    def arrivals(self, model: str) -> dict[str, Arrival]:
        """The files that were dealt with, by URI."""
        query = select(tables.arrivals).where(tables.arrivals.c.model == model)
        with self._begin() as connection:
            return {row["uri"]: Arrival(**row) for row in connection.execute(query).mappings()}

    def batch(self, model: str, batch_id: str) -> BatchRecord | None:
        """The record of one batch, if there is one."""
        table = tables.batches
        query = select(table).where((table.c.model == model) & (table.c.batch_id == batch_id))
        with self._begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _batch(row)

    def batch_beginning(self, model: str, beginning: str) -> BatchRecord | None:
        """The newest batch whose id begins so; eight characters are the least that may name one."""
        if len(beginning) < 8 or not beginning.isalnum():
            return None
        table = tables.batches
        query = select(table).where((table.c.model == model) & table.c.batch_id.startswith(beginning))
        with self._begin() as connection:
            row = connection.execute(query.order_by(table.c.recorded_at.desc()).limit(1)).mappings().one_or_none()
        return None if row is None else _batch(row)

    def batches(self, model: str, limit: int = 1000) -> list[BatchRecord]:
        """The newest batches, newest first."""
        table = tables.batches
        query = select(table).where(table.c.model == model).order_by(table.c.recorded_at.desc()).limit(limit)
        with self._begin() as connection:
            return [_batch(row) for row in connection.execute(query).mappings()]

    def record_decision(self, decision: Decision) -> None:
        """Write a decision. Decisions are never changed."""
        self._insert(tables.decisions, _row(decision))

    def decisions(
        self, model: str, kind: DecisionKind | None = None, since: datetime | None = None, limit: int | None = None
    ) -> list[Decision]:
        """Decisions about a model, newest first."""
        table = tables.decisions
        query = select(table).where(table.c.model == model).order_by(table.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        if since is not None:
            query = query.where(table.c.decided_at >= since)
        with self._begin() as connection:
            return [_decision(row) for row in connection.execute(query).mappings()]

    def record_alert(self, alert: Alert) -> None:
        """Write that an alert went out, or did not."""
        self._insert(tables.alerts, _row(alert))

    def alerts(self, model: str | None = None, limit: int | None = None) -> list[Alert]:
        """Alerts about a model, or about all, newest first; those that are about none have an empty name."""
        table = tables.alerts
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        query = query if model is None else query.where(table.c.model == model)
        with self._begin() as connection:
            return [_alert(row) for row in connection.execute(query).mappings()]

    def record_alias_move(self, move: AliasMove) -> None:
        """Write that an alias moved."""
        self._insert(tables.alias_moves, _row(move))

    def alias_moves(self, model: str, limit: int | None = None) -> list[AliasMove]:
        """Alias moves of a model, newest first."""
        table = tables.alias_moves
        query = select(table).where(table.c.model == model).order_by(table.c.id.desc()).limit(limit)
        with self._begin() as connection:
            return [_move(row) for row in connection.execute(query).mappings()]

    def record_watermark(self, mark: Watermark) -> None:
        """Write how far a source has been read; what was written before is replaced."""
        table = tables.watermarks
        with self._begin() as connection:
            connection.execute(delete(table).where((table.c.model == mark.model) & (table.c.name == mark.name)))
            connection.execute(insert(table).values(_row(mark)))

    def watermark(self, model: str, name: str) -> Watermark | None:
        """How far a source has been read, if it was read before."""
        table = tables.watermarks
        query = select(table).where((table.c.model == model) & (table.c.name == name))
        with self._begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else Watermark(**_known(row, Watermark), run=_run(row))

    def record_window(self, window: WindowRecord) -> None:
        """Write where a window stands; it replaces what was known of the same window."""
        columns = tables.windows.c
        key = (columns.model == window.model) & (columns.window_start == window.window_start)
        with self._begin() as connection:
            connection.execute(delete(tables.windows).where(key & (columns.window_end == window.window_end)))
            connection.execute(insert(tables.windows).values(_row(window)))

    def windows(self, model: str) -> list[WindowRecord]:
        """The windows of a model that have been looked at, the oldest first."""
        table = tables.windows
        query = select(table).where(table.c.model == model).order_by(table.c.window_start)
        with self._begin() as connection:
            return [_window(row) for row in connection.execute(query).mappings()]

    def of_run(self, dag_id: str, run_id: str) -> RunTraces:
        """Everything that one Airflow run has written, newest first."""

        def rows(connection: Any, table: Table, order: str) -> Any:
            of_run = (table.c.dag_id == dag_id) & (table.c.run_id == run_id)
            return connection.execute(select(table).where(of_run).order_by(table.c[order].desc())).mappings()

        with self._begin() as connection:
            return RunTraces(
                tuple(_batch(row) for row in rows(connection, tables.batches, "recorded_at")),
                tuple(_window(row) for row in rows(connection, tables.windows, "window_start")),
                tuple(_decision(row) for row in rows(connection, tables.decisions, "id")),
                tuple(_alert(row) for row in rows(connection, tables.alerts, "id")),
                tuple(_move(row) for row in rows(connection, tables.alias_moves, "id")),
            )

    def record_snapshot(self, snapshot: SnapshotRecord) -> None:
        """Write that a snapshot was taken; twice is once."""
        columns = tables.snapshots.c
        key = (columns.place == snapshot.place) & (columns.subject == snapshot.subject)
        with self._begin() as connection:
            connection.execute(delete(tables.snapshots).where(key & (columns.name == snapshot.name)))
            connection.execute(insert(tables.snapshots).values(_row(snapshot)))

    def snapshots(self, subject: str = "") -> list[SnapshotRecord]:
        """The snapshots that were taken, of a subject or of all, the newest first."""
        table = tables.snapshots
        query = select(table).order_by(table.c.taken_at.desc())
        query = query.where(table.c.subject == subject) if subject else query
        with self._begin() as connection:
            rows = connection.execute(query).mappings()
            return [SnapshotRecord(**_known(row, SnapshotRecord), run=_run(row)) for row in rows]

    def record_drill(self, drill: DrillRecord) -> None:
        """Write what a drill has proven."""
        self._insert(tables.drills, _row(drill))

    def drills(self, subject: str = "") -> list[DrillRecord]:
        """What drills have proven, of a subject or of all, the newest first."""
        table = tables.drills
        query = select(table).order_by(table.c.id.desc())
        query = query.where(table.c.subject == subject) if subject else query
        with self._begin() as connection:
            return [_drill(row) for row in connection.execute(query).mappings()]

    def _insert(self, table: Table, row: Mapping[str, Any]) -> None:
        with self._begin() as connection:
            connection.execute(insert(table).values(row))

    # PostgreSQL lets the loser of two `IF NOT EXISTS` at once fail on its catalogue; the tables are there then.
    @retry(retry=retry_if_exception_type((IntegrityError, ProgrammingError)), stop=stop_after_attempt(3), reraise=True)
    def _create_tables(self) -> None:
        # Not `create_all`: it looks first and creates then, and two new processes may look before either creates.
        with _Transaction(self._engine) as connection:
            for table in tables.metadata.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))
                _add_columns(connection, table)

    def transaction(self) -> "_Transaction":
        """A transaction for the parts of the journal that have a module of their own."""
        return self._begin()

    def _begin(self) -> "_Transaction":
        if not self._created:
            self._create_tables()
            self._created = True
        return _Transaction(self._engine)


class _Transaction:
    """`engine.begin()` with the database's passing faults as TransientError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Any:
        try:
            self._context = self._engine.begin()
            return self._context.__enter__()
        except OperationalError as error:
            raise _transient(self._engine, error) from error

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._context.__exit__(kind, error, trace)
        except OperationalError as commit_error:
            raise _transient(self._engine, commit_error) from commit_error
        if isinstance(error, OperationalError):
            raise _transient(self._engine, error) from error


def _add_columns(connection: Any, table: Table) -> None:
    """Give an older journal the columns that have come since; they have a default, so its rows stay whole."""
    known = {column["name"] for column in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in known:
            declared = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {declared}"))


def _transient(engine: Engine, error: OperationalError) -> TransientError:
    place = engine.url.render_as_string(hide_password=True)
    return TransientError(f"journal {place}: {error.orig}; check that the database is up and not full, then try again")


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if parsed.database:
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TransientError(
                f"journal {url}: its folder cannot be made: {error}; make room, check the rights, then try again"
            ) from error
    engine = create_engine(url, connect_args={"timeout": _BUSY_S})

    @event.listens_for(engine, "connect")
    def _many_processes(connection: Any, _record: object) -> None:
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _is_busy(error: BaseException) -> bool:
    # the lower byte is the error, the upper one its details
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


# SQLite does not wait for the lock by which a new file becomes one with a write-ahead log: of two processes that open
# it first at the same moment, one would fail at once.
@retry(retry=retry_if_exception(_is_busy), wait=wait_random(0.01, 0.1), stop=stop_after_delay(_BUSY_S), reraise=True)
def _switch_to_wal(connection: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")


def _row(record: _Record) -> dict[str, Any]:
    row = asdict(record)
    row.update(row.pop("run"))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}


def _known(row: RowMapping, kind: type) -> dict[str, Any]:
    names = {field.name for field in fields(kind)} - {"run"}
    return {name: value for name, value in row.items() if name in names}


def _run(row: RowMapping) -> RunRef:
    return RunRef(**{name: row[name] for name in _RUN_FIELDS})


def _batch(row: RowMapping) -> BatchRecord:
    values = _known(row, BatchRecord)
    values["state"] = BatchState(values["state"])
    values["reasons"] = tuple(values["reasons"])
    values["warnings"] = tuple(values["warnings"])
    return BatchRecord(**values, run=_run(row))


def _decision(row: RowMapping) -> Decision:
    values = _known(row, Decision)
    values["kind"] = DecisionKind(values["kind"])
    values["reasons"], values["ask"] = tuple(values["reasons"]), tuple(values["ask"])
    return Decision(**values, run=_run(row))


def _alert(row: RowMapping) -> Alert:
    return Alert(**_known(row, Alert), run=_run(row))


def _move(row: RowMapping) -> AliasMove:
    return AliasMove(**_known(row, AliasMove), run=_run(row))


def _window(row: RowMapping) -> WindowRecord:
    values = _known(row, WindowRecord)
    values["state"] = WindowState(values["state"])
    return WindowRecord(**values, run=_run(row))


def _drill(row: RowMapping) -> DrillRecord:
    values = _known(row, DrillRecord)
    values["said"] = tuple(values["said"])
    return DrillRecord(**values, run=_run(row))
