"""Writes and reads the journal. Safe to use from many processes at once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from almanac.journal import tables
from almanac.journal.database import Database, Transaction
from almanac.journal.records import (
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
)
from almanac.journal.rows import alert_of, batch_of, decision_of, drill_of, known, move_of, row_of, run_of, window_of

_AT_ONCE = 300  # values of one statement: SQLite takes 999


class Journal:
    """The operations database at a SQLAlchemy URL; its tables are made on first use.

    Raises:
        TransientError: on every method, when the database is locked, full or away.
        DamagedDatabaseError: on every method, when its file is damaged.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def record_batch(self, batch: BatchRecord, arrival: Arrival | None = None) -> None:
        """Write the end of a batch, and of the file that brought it; a second record of the same replaces the first."""
        row = row_of(batch)
        key = (tables.batches.c.model == batch.model) & (tables.batches.c.batch_id == batch.batch_id)
        with self._database.begin() as connection:
            connection.execute(delete(tables.batches).where(key))
            connection.execute(insert(tables.batches).values(row))
            if arrival is not None:
                _write_arrival(connection, arrival)

    def record_arrival(self, arrival: Arrival) -> None:
        """Write that a file was dealt with, so that later listings need not read it again."""
        with self._database.begin() as connection:
            _write_arrival(connection, arrival)

    def arrivals(self, model: str) -> dict[str, Arrival]:
        """The files that were dealt with, by URI."""
        query = select(tables.arrivals).where(tables.arrivals.c.model == model)
        with self._database.begin() as connection:
            return {row["uri"]: Arrival(**row) for row in connection.execute(query).mappings()}

    def batch(self, model: str, batch_id: str) -> BatchRecord | None:
        """The record of one batch, if there is one."""
        table = tables.batches
        query = select(table).where((table.c.model == model) & (table.c.batch_id == batch_id))
        with self._database.begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else batch_of(row)

    def batch_beginning(self, model: str, beginning: str) -> BatchRecord | None:
        """The newest batch whose id begins so; eight characters are the least that may name one."""
        if len(beginning) < 8 or not beginning.isalnum():
            return None
        table = tables.batches
        query = select(table).where((table.c.model == model) & table.c.batch_id.startswith(beginning))
        with self._database.begin() as connection:
            row = connection.execute(query.order_by(table.c.recorded_at.desc()).limit(1)).mappings().one_or_none()
        return None if row is None else batch_of(row)

    def batches(self, model: str, limit: int = 1000) -> list[BatchRecord]:
        """The newest batches, newest first."""
        table = tables.batches
        query = select(table).where(table.c.model == model).order_by(table.c.recorded_at.desc()).limit(limit)
        with self._database.begin() as connection:
            return [batch_of(row) for row in connection.execute(query).mappings()]

    def is_rejected(self, model: str, uri: str) -> bool:
        """Whether what landed last at a place was rejected, and has neither landed again nor been readmitted since."""
        batch, arrival = tables.batches.c, tables.arrivals.c
        newest = select(batch.state, batch.modified_at).where(batch.model == model, batch.uri == uri)
        known = select(arrival.state, arrival.modified_at).where(arrival.model == model, arrival.uri == uri)
        with self._database.begin() as connection:
            last = connection.execute(newest.order_by(batch.recorded_at.desc()).limit(1)).first()
            seen = connection.execute(known).first()
        if last is None or last.state != BatchState.REJECTED:
            return False
        # Bytes that were known already make no new batch; only their arrival says that they landed.
        return seen is None or seen.state == BatchState.REJECTED or seen.modified_at <= last.modified_at

    def newest_version(self, model: str) -> int | None:
        """The newest dataset version that a batch was published as."""
        columns = tables.batches.c
        query = select(func.max(columns.dataset_version)).where(columns.model == model)
        with self._database.begin() as connection:
            version = connection.execute(query.where(columns.state == BatchState.PUBLISHED)).scalar_one()
        return None if version is None else int(version)

    def newest_published(self, model: str) -> BatchRecord | None:
        """The batch that was published as the newest dataset version."""
        columns = tables.batches.c
        query = select(tables.batches).where(columns.model == model, columns.state == BatchState.PUBLISHED)
        query = query.order_by(columns.dataset_version.desc(), columns.recorded_at.desc()).limit(1)
        with self._database.begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else batch_of(row)

    def first_published(self, model: str) -> datetime | None:
        """When the first batch that is known was published; None: none was."""
        columns = tables.batches.c
        query = select(columns.recorded_at).where(columns.model == model, columns.state == BatchState.PUBLISHED)
        with self._database.begin() as connection:
            found: datetime | None = connection.execute(query.order_by(columns.recorded_at).limit(1)).scalar()
            return found

    def published_after(self, model: str, version: int) -> list[BatchRecord]:
        """The batches that were published after a dataset version, all of them, the oldest first."""
        columns = tables.batches.c
        query = select(tables.batches).where(columns.model == model, columns.state == BatchState.PUBLISHED)
        query = query.where(columns.dataset_version > version).order_by(columns.dataset_version)
        with self._database.begin() as connection:
            return [batch_of(row) for row in connection.execute(query).mappings()]

    def has_quarantined(self, model: str) -> bool:
        """Whether a published batch had rows that were quarantined."""
        columns = tables.batches.c
        query = select(columns.batch_id).where(columns.model == model, columns.state == BatchState.PUBLISHED)
        with self._database.begin() as connection:
            return connection.execute(query.where(columns.rows_quarantined > 0).limit(1)).first() is not None

    def forget_batches(self, model: str, batch_ids: Sequence[str]) -> None:
        """Forget batches and the files that brought them: what still lies in the landing area is taken again."""
        with self._database.begin() as connection:
            for table in (tables.batches, tables.arrivals):
                for batch_id in batch_ids:
                    connection.execute(delete(table).where(table.c.model == model, table.c.batch_id == batch_id))

    def unchanged_since(self, model: str, base: str) -> list[str]:
        """The ids of the batches that brought nothing new to the dataset as this commit had left it."""
        columns = tables.batches.c
        query = select(columns.batch_id).where(columns.model == model, columns.base == base)
        query = query.where(columns.state == BatchState.UNCHANGED).order_by(columns.batch_id)
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())

    def record_decision(self, decision: Decision) -> None:
        """Write a decision. Decisions are never changed."""
        self._insert(tables.decisions, row_of(decision))

    def record_once(self, decision: Decision) -> bool:
        """Write a decision unless one of the same model, kind and cause is there; gives whether it was written.

        Of two processes that decide about the same cause at once, one writes.

        Raises:
            ValueError: it has no cause.
        """
        if decision.cause is None:
            raise ValueError(f"a decision that is written once has a cause; got none of {decision.kind}")
        try:
            self._insert(tables.decisions, row_of(decision))
        except IntegrityError:
            return False
        return True

    def caused(self, model: str, kind: DecisionKind, causes: Sequence[str]) -> dict[str, Decision]:
        """The decisions that have one of these causes, by cause."""
        columns, found = tables.decisions.c, {}
        for start in range(0, len(causes), _AT_ONCE):
            chosen = columns.cause.in_(causes[start : start + _AT_ONCE])
            query = select(tables.decisions).where(columns.model == model, columns.kind == kind, chosen)
            with self._database.begin() as connection:
                found.update({row["cause"]: decision_of(row) for row in connection.execute(query).mappings()})
        return found

    def decisions(
        self,
        model: str,
        kind: DecisionKind | None = None,
        since: datetime | None = None,
        limit: int | None = None,
        run: RunRef | None = None,
        subject: str | None = None,
        accepted: bool | None = None,
    ) -> list[Decision]:
        """Decisions about a model, newest first; of one run, whichever try, when it is given."""
        table = tables.decisions
        query = select(table).where(table.c.model == model).order_by(table.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        if since is not None:
            query = query.where(table.c.decided_at >= since)
        if run is not None:
            query = query.where((table.c.dag_id == run.dag_id) & (table.c.run_id == run.run_id))
        if subject is not None:
            query = query.where(table.c.subject == subject)
        if accepted is not None:
            query = query.where(table.c.accepted.is_(accepted))
        with self._database.begin() as connection:
            return [decision_of(row) for row in connection.execute(query).mappings()]

    def record_alert(self, alert: Alert) -> None:
        """Write that an alert went out, or did not."""
        self._insert(tables.alerts, row_of(alert))

    def alerts(self, model: str | None = None, limit: int | None = None) -> list[Alert]:
        """Alerts about a model, or about all, newest first; those that are about none have an empty name."""
        table = tables.alerts
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        query = query if model is None else query.where(table.c.model == model)
        with self._database.begin() as connection:
            return [alert_of(row) for row in connection.execute(query).mappings()]

    def record_alias_move(self, move: AliasMove) -> None:
        """Write that an alias moved."""
        self._insert(tables.alias_moves, row_of(move))

    def alias_moves(self, model: str, limit: int | None = None) -> list[AliasMove]:
        """Alias moves of a model, newest first."""
        table = tables.alias_moves
        query = select(table).where(table.c.model == model).order_by(table.c.id.desc()).limit(limit)
        with self._database.begin() as connection:
            return [move_of(row) for row in connection.execute(query).mappings()]

    def record_watermark(self, mark: Watermark) -> None:
        """Write how far a source has been read; what was written before is replaced."""
        table = tables.watermarks
        with self._database.begin() as connection:
            connection.execute(delete(table).where((table.c.model == mark.model) & (table.c.name == mark.name)))
            connection.execute(insert(table).values(row_of(mark)))

    def watermark(self, model: str, name: str) -> Watermark | None:
        """How far a source has been read, if it was read before."""
        table = tables.watermarks
        query = select(table).where((table.c.model == model) & (table.c.name == name))
        with self._database.begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else Watermark(**known(row, Watermark), run=run_of(row))

    def watermarks(self, model: str, beginning: str) -> dict[str, Watermark]:
        """The watermarks whose names begin so, by the rest of their names."""
        table = tables.watermarks
        query = select(table).where(table.c.model == model, table.c.name.startswith(beginning, autoescape=True))
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["name"][len(beginning) :]: Watermark(**known(row, Watermark), run=run_of(row)) for row in rows}

    def record_window(self, window: WindowRecord) -> None:
        """Write where a window stands; it replaces what was known of the same window."""
        columns = tables.windows.c
        key = (columns.model == window.model) & (columns.window_start == window.window_start)
        with self._database.begin() as connection:
            connection.execute(delete(tables.windows).where(key & (columns.window_end == window.window_end)))
            connection.execute(insert(tables.windows).values(row_of(window)))

    def windows(self, model: str) -> list[WindowRecord]:
        """The windows of a model that have been looked at, the oldest first."""
        table = tables.windows
        query = select(table).where(table.c.model == model).order_by(table.c.window_start)
        with self._database.begin() as connection:
            return [window_of(row) for row in connection.execute(query).mappings()]

    def of_run(self, dag_id: str, run_id: str) -> RunTraces:
        """Everything that one Airflow run has written, newest first."""

        def rows(connection: Any, table: Table, order: str) -> Any:
            of_run = (table.c.dag_id == dag_id) & (table.c.run_id == run_id)
            return connection.execute(select(table).where(of_run).order_by(table.c[order].desc())).mappings()

        with self._database.begin() as connection:
            return RunTraces(
                tuple(batch_of(row) for row in rows(connection, tables.batches, "recorded_at")),
                tuple(window_of(row) for row in rows(connection, tables.windows, "window_start")),
                tuple(decision_of(row) for row in rows(connection, tables.decisions, "id")),
                tuple(alert_of(row) for row in rows(connection, tables.alerts, "id")),
                tuple(move_of(row) for row in rows(connection, tables.alias_moves, "id")),
            )

    def record_snapshot(self, snapshot: SnapshotRecord) -> None:
        """Write that a snapshot was taken; twice is once."""
        columns = tables.snapshots.c
        key = (columns.place == snapshot.place) & (columns.subject == snapshot.subject)
        with self._database.begin() as connection:
            connection.execute(delete(tables.snapshots).where(key & (columns.name == snapshot.name)))
            connection.execute(insert(tables.snapshots).values(row_of(snapshot)))

    def snapshots(self, subject: str = "", limit: int | None = None) -> list[SnapshotRecord]:
        """The snapshots that were taken, of a subject or of all, the newest first."""
        table = tables.snapshots
        query = select(table).order_by(table.c.taken_at.desc()).limit(limit)
        query = query.where(table.c.subject == subject) if subject else query
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings()
            return [SnapshotRecord(**known(row, SnapshotRecord), run=run_of(row)) for row in rows]

    def record_drill(self, drill: DrillRecord) -> None:
        """Write what a drill has proven."""
        self._insert(tables.drills, row_of(drill))

    def drills(self, subject: str = "") -> list[DrillRecord]:
        """What drills have proven, of a subject or of all, the newest first."""
        table = tables.drills
        query = select(table).order_by(table.c.id.desc())
        query = query.where(table.c.subject == subject) if subject else query
        with self._database.begin() as connection:
            return [drill_of(row) for row in connection.execute(query).mappings()]

    def _insert(self, table: Table, row: Mapping[str, Any]) -> None:
        with self._database.begin() as connection:
            connection.execute(insert(table).values(row))

    def transaction(self) -> Transaction:
        """A transaction for the parts of the journal that have a module of their own."""
        return self._database.begin()


def _write_arrival(connection: Any, arrival: Arrival) -> None:
    key = (tables.arrivals.c.model == arrival.model) & (tables.arrivals.c.uri == arrival.uri)
    connection.execute(delete(tables.arrivals).where(key))
    connection.execute(insert(tables.arrivals).values(asdict(arrival)))
