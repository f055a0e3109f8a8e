"""The journal's records, written and read. Safe to use from many processes at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.exc import IntegrityError

from almanac.journal import tables, totals
from almanac.journal.database import Database, Transaction
from almanac.journal.records import (
    AliasMove,
    Arrival,
    BatchRecord,
    Decision,
    DecisionKind,
    DeliveredAlert,
    DrillRecord,
    RunRef,
    RunTraces,
    SnapshotRecord,
    Watermark,
    WindowRecord,
    WindowState,
)
from almanac.journal.rows import record_of, records_of, row_of

_AT_ONCE = 300  # values of one statement: SQLite takes 999


class Journal:
    """The operations database at a SQLAlchemy URL; its tables are created on first use.

    Raises:
        TransientError: on every method, when the database is locked, full or unavailable.
        JournalSchemaError: on every method, when its tables are those of another release.
        DamagedDatabaseError: on every method, when its file is damaged.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def record_batch(self, batch: BatchRecord, arrival: Arrival | None = None) -> None:
        """Write the result of a batch, and of its file; a second record of a batch replaces the first."""
        row = row_of(batch)
        key = (tables.batches.c.model == batch.model) & (tables.batches.c.batch_id == batch.batch_id)
        counted = select(*(tables.batches.c[name] for name in ("state", totals.QUARANTINED, totals.PUBLISHED)))
        with self._database.begin() as connection:
            before = connection.execute(counted.where(key)).mappings().one_or_none()
            connection.execute(delete(tables.batches).where(key))
            connection.execute(insert(tables.batches).values(row))
            totals.add(connection, totals.of_batch(batch, before))
            if arrival is not None:
                _write_arrival(connection, arrival)

    def record_arrival(self, arrival: Arrival) -> None:
        """Record that a file was ingested, so that later listings need not read it again."""
        with self._database.begin() as connection:
            _write_arrival(connection, arrival)

    def arrivals(self, model: str, uris: Sequence[str] | None = None) -> dict[str, Arrival]:
        """The files that were ingested, by URI; of these URIs, if they are given."""
        columns, found = tables.arrivals.c, {}
        query = select(tables.arrivals).where(columns.model == model)
        parts = [query] if uris is None else [query.where(columns.uri.in_(some)) for some in _portions(uris)]
        for part in parts:
            with self._database.begin() as connection:
                found.update({row["uri"]: Arrival(**row) for row in connection.execute(part).mappings()})
        return found

    def batch(self, model: str, batch_id: str) -> BatchRecord | None:
        """The record of one batch, if there is one."""
        table = tables.batches
        query = select(table).where((table.c.model == model) & (table.c.batch_id == batch_id))
        with self._database.begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else record_of(BatchRecord, row)

    def batch_beginning(self, model: str, beginning: str) -> BatchRecord | None:
        """The newest batch whose id starts with a text of at least eight characters."""
        if len(beginning) < 8 or not beginning.isalnum():
            return None
        table = tables.batches
        query = select(table).where((table.c.model == model) & table.c.batch_id.startswith(beginning))
        with self._database.begin() as connection:
            row = connection.execute(query.order_by(table.c.recorded_at.desc()).limit(1)).mappings().one_or_none()
        return None if row is None else record_of(BatchRecord, row)

    def batches(
        self, model: str, limit: int | None = 1000, *, since: datetime | None = None, uri: str | None = None
    ) -> list[BatchRecord]:
        """The newest batches, newest first; those that were recorded since a time, or of one file, if it is given."""
        table = tables.batches
        # batches of one ingest share its time: without a second key their order would be any
        query = select(table).where(table.c.model == model).limit(limit)
        query = query.order_by(table.c.recorded_at.desc(), table.c.batch_id)
        query = query if since is None else query.where(table.c.recorded_at >= since)
        query = query if uri is None else query.where(table.c.uri == uri)
        with self._database.begin() as connection:
            return records_of(BatchRecord, connection.execute(query).mappings())

    def forget_batches(self, model: str, batch_ids: Sequence[str]) -> None:
        """Delete batches and their arrivals: files that are still in the landing area are ingested again."""
        with self._database.begin() as connection:
            for table in (tables.batches, tables.arrivals):
                for batch_id in batch_ids:
                    connection.execute(delete(table).where(table.c.model == model, table.c.batch_id == batch_id))

    def record_decision(self, decision: Decision) -> None:
        """Write a decision. Decisions are never changed."""
        self._insert_decision(decision)

    def record_once(self, decision: Decision) -> bool:
        """Write a decision unless one of the same model, kind and cause exists; returns whether it was written.

        Of two processes that decide about the same cause at once, one writes.

        Raises:
            ValueError: it has no cause.
        """
        if decision.cause is None:
            raise ValueError(f"{decision.kind}: a decision that is written once needs a cause; got None")
        try:
            self._insert_decision(decision)
        except IntegrityError:
            return False
        return True

    def caused(self, model: str, kind: DecisionKind, causes: Sequence[str]) -> dict[str, Decision]:
        """The decisions that have one of these causes, by cause."""
        columns, found = tables.decisions.c, {}
        for some in _portions(causes):
            chosen = columns.cause.in_(some)
            query = select(tables.decisions).where(columns.model == model, columns.kind == kind, chosen)
            with self._database.begin() as connection:
                found.update({row["cause"]: record_of(Decision, row) for row in connection.execute(query).mappings()})
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
        """Decisions about a model, newest first; of all tries of one run, if it is given."""
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
            return records_of(Decision, connection.execute(query).mappings())

    def record_alert(self, alert: DeliveredAlert) -> None:
        """Record that a notification was sent, or could not be."""
        self._insert(tables.alerts, row_of(alert))

    def alerts(self, model: str | None = None, limit: int | None = None) -> list[DeliveredAlert]:
        """Notifications about a model, or about all, newest first; those about no model have an empty name."""
        table = tables.alerts
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        query = query if model is None else query.where(table.c.model == model)
        with self._database.begin() as connection:
            return records_of(DeliveredAlert, connection.execute(query).mappings())

    def record_alias_move(self, move: AliasMove) -> None:
        """Write that an alias moved."""
        self._insert(tables.alias_moves, row_of(move))

    def alias_moves(
        self,
        model: str,
        limit: int | None = None,
        *,
        alias: str | None = None,
        since: datetime | None = None,
        run: RunRef | None = None,
        came: str | None = None,
    ) -> list[AliasMove]:
        """Alias moves of a model, newest first; of one alias, one run, to one version, if these are given."""
        table = tables.alias_moves
        query = select(table).where(table.c.model == model).order_by(table.c.id.desc()).limit(limit)
        query = query if alias is None else query.where(table.c.alias == alias)
        query = query if since is None else query.where(table.c.moved_at >= since)
        query = query if came is None else query.where(table.c.to_version == came)
        if run is not None:
            query = query.where((table.c.dag_id == run.dag_id) & (table.c.run_id == run.run_id))
        with self._database.begin() as connection:
            return records_of(AliasMove, connection.execute(query).mappings())

    def record_watermark(self, mark: Watermark) -> None:
        """Write how far a source has been read, in place of the stored watermark."""
        table = tables.watermarks
        with self._database.begin() as connection:
            connection.execute(delete(table).where((table.c.model == mark.model) & (table.c.name == mark.name)))
            connection.execute(insert(table).values(row_of(mark)))

    def watermark(self, model: str, name: str) -> Watermark | None:
        """How far a source has been read; None: it was never read."""
        table = tables.watermarks
        query = select(table).where((table.c.model == model) & (table.c.name == name))
        with self._database.begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else record_of(Watermark, row)

    def watermarks(self, model: str, beginning: str) -> dict[str, Watermark]:
        """The watermarks whose names start with a text, by the rest of their names."""
        table = tables.watermarks
        query = select(table).where(table.c.model == model, table.c.name.startswith(beginning, autoescape=True))
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["name"][len(beginning) :]: record_of(Watermark, row) for row in rows}

    def record_window(self, window: WindowRecord) -> None:
        """Write the state of a window, in place of the stored one."""
        columns = tables.windows.c
        key = (columns.model == window.model) & (columns.window_start == window.window_start)
        with self._database.begin() as connection:
            connection.execute(delete(tables.windows).where(key & (columns.window_end == window.window_end)))
            connection.execute(insert(tables.windows).values(row_of(window)))

    def last_alias_move(self, model: str, alias: str, version: str) -> AliasMove | None:
        """The last move of an alias to or from a version; None: there was none."""
        table = tables.alias_moves
        query = select(table).where(table.c.model == model, table.c.alias == alias).order_by(table.c.id.desc()).limit(1)
        with self._database.begin() as connection:
            ends = (table.c.to_version, table.c.from_version)
            found = [row for end in ends for row in connection.execute(query.where(end == version)).mappings()]
        return record_of(AliasMove, max(found, key=lambda row: int(row["id"]))) if found else None

    def first_alias_move(self, model: str) -> datetime | None:
        """When an alias of a model moved first; None: none ever did."""
        columns = tables.alias_moves.c
        query = select(columns.moved_at).where(columns.model == model).order_by(columns.id).limit(1)
        with self._database.begin() as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def windows(
        self,
        model: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: WindowState | None = None,
    ) -> list[WindowRecord]:
        """The known windows of a model, the oldest first; those that start in `[since, until)`, if it is given."""
        table = tables.windows
        query = select(table).where(table.c.model == model).order_by(table.c.window_start)
        query = query if since is None else query.where(table.c.window_start >= since)
        query = query if until is None else query.where(table.c.window_start < until)
        query = query if state is None else query.where(table.c.state == state)
        with self._database.begin() as connection:
            return records_of(WindowRecord, connection.execute(query).mappings())

    def of_run(self, dag_id: str, run_id: str) -> RunTraces:
        """All records of one Airflow run, newest first."""

        def rows(connection: Any, table: Table, order: str) -> Any:
            of_run = (table.c.dag_id == dag_id) & (table.c.run_id == run_id)
            return connection.execute(select(table).where(of_run).order_by(table.c[order].desc())).mappings()

        with self._database.begin() as connection:
            return RunTraces(
                tuple(records_of(BatchRecord, rows(connection, tables.batches, "recorded_at"))),
                tuple(records_of(WindowRecord, rows(connection, tables.windows, "window_start"))),
                tuple(records_of(Decision, rows(connection, tables.decisions, "id"))),
                tuple(records_of(DeliveredAlert, rows(connection, tables.alerts, "id"))),
                tuple(records_of(AliasMove, rows(connection, tables.alias_moves, "id"))),
            )

    def record_snapshot(self, snapshot: SnapshotRecord) -> None:
        """Record that a snapshot was taken; idempotent."""
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
            return records_of(SnapshotRecord, connection.execute(query).mappings())

    def record_drill(self, drill: DrillRecord) -> None:
        """Write the result of a drill."""
        self._insert(tables.drills, row_of(drill))

    def drills(self, subject: str = "") -> list[DrillRecord]:
        """The results of drills, of a subject or of all, the newest first."""
        table = tables.drills
        query = select(table).order_by(table.c.id.desc())
        query = query.where(table.c.subject == subject) if subject else query
        with self._database.begin() as connection:
            return records_of(DrillRecord, connection.execute(query).mappings())

    def _insert_decision(self, decision: Decision) -> None:
        with self._database.begin() as connection:
            connection.execute(insert(tables.decisions).values(row_of(decision)))
            totals.add(connection, totals.of_decision(decision))

    def _insert(self, table: Table, row: Mapping[str, Any]) -> None:
        with self._database.begin() as connection:
            connection.execute(insert(table).values(row))

    def transaction(self) -> Transaction:
        """A transaction for the parts of the journal in other modules."""
        return self._database.begin()


def _portions(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def _write_arrival(connection: Any, arrival: Arrival) -> None:
    key = (tables.arrivals.c.model == arrival.model) & (tables.arrivals.c.uri == arrival.uri)
    connection.execute(delete(tables.arrivals).where(key))
    connection.execute(insert(tables.arrivals).values(asdict(arrival)))
