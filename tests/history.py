"""An installation with a history of so many batches, made without their files' checks, and what a reader of it counts.

Counts do not depend on the machine: a test compares those of a short history with those of a long one.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import polars as pl
from sqlalchemy import Engine, event, insert

from almanac.data.ingest.announcement import Announcement, find_unannounced
from almanac.data.table.commit_record import to_metadata
from almanac.data.table.delta_parts import commit_parts
from almanac.data.table.delta_table import BATCH, MONTH, delta_schema, open_table
from almanac.data.table.part_files import PartWriter
from almanac.data.table.table_guard import TableGuard
from almanac.data.table.table_metadata import TableMetadata
from almanac.journal import tables
from almanac.journal.journal import Journal
from almanac.journal.records import (
    AliasMove,
    Arrival,
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DeliveredAlert,
    DrillRecord,
    RunRef,
    SnapshotRecord,
    TaskUsage,
    WindowRecord,
    WindowState,
)
from almanac.journal.rows import row_of
from almanac.storage.listing import StoredFile, list_files
from tests.monitoring.world import HOUR, TRAINED_UNTIL, WEATHER, World, hours

ROWS = 4  # of one batch: four hours
BEGAN = datetime(2024, 1, 1, tzinfo=TRAINED_UNTIL.tzinfo)
_TIME = WEATHER.dataset.time
_STEPS = 100  # of SQLite's virtual machine, between two looks


@dataclass(frozen=True)
class Counts:
    """What one call has read.

    Attributes:
        steps: of SQLite's virtual machine, in hundreds: rows that a query passes over count, too.
        rows: that the journal has answered with.
        files: that were listed or looked at.
        parts: Parquet files that a scan has named.
        commits: of Delta logs that were read as a history.
        reads: system calls that read; those of Rust's libraries, too.
    """

    steps: int = 0
    rows: int = 0
    files: int = 0
    parts: int = 0
    commits: int = 0
    reads: int = 0

    def least(self, other: "Counts") -> "Counts":
        """The smaller of each count: what another thread of the process reads meanwhile only adds."""
        return Counts(**{one.name: min(getattr(self, one.name), getattr(other, one.name)) for one in fields(self)})

    def grown(self, longer: "Counts", factor: float, allowed: int) -> dict[str, tuple[int, int]]:
        """The counts that are more than `factor` times as large with a longer history, `allowed` not regarded.

        Of reads, five times as many are not regarded: rows that lay on one page of a short journal lie on several.
        """
        pairs = {one.name: (getattr(self, one.name), getattr(longer, one.name)) for one in fields(self)}
        return {
            name: pair
            for name, pair in pairs.items()
            if pair[1] > factor * pair[0] + allowed * (5 if name == "reads" else 1)
        }


class History:
    """A world whose dataset, journal and landing area hold so many batches of four hours."""

    def __init__(self, folder: Path) -> None:
        self.world = World.at(folder)
        self.home, self.model = self.world.home, WEATHER
        self.journal = Journal(self.home.journal_url)
        self.batches, self._hours = 0, 0
        self.landing = Path(self.home.landing_of(self.model.name))
        self.landing.mkdir(parents=True, exist_ok=True)

    def grow(self, batches: int) -> None:
        """Add batches until there are so many."""
        if batches <= self.batches:
            return
        uri = self.home.dataset_of(self.model.name)
        schema = delta_schema(self.model.dataset.columns)
        table, rows = open_table(uri), _Rows()
        frame = self._next_hours((batches - self.batches) * ROWS)
        with TemporaryDirectory(dir=self.home.home) as temporary:
            for number in range(self.batches, batches):
                part = frame.slice((number - self.batches) * ROWS, ROWS)
                record = self._record(number, 0 if table is None else table.version() + 1, part[_TIME][0])
                writer = PartWriter(Path(temporary), MONTH)
                writer.write(_committed(part, record.batch_id))
                writer.close()
                about = TableMetadata("weather", "")
                commit_parts(
                    uri,
                    table,
                    writer.parts,
                    schema,
                    batch_id=record.batch_id,
                    metadata=to_metadata(record),
                    about=about,
                )
                if table is None:
                    table = open_table(uri)
                else:
                    table.update_incremental()
                rows.add(record, self._landed(record, part))
        with self.journal.transaction() as connection:
            for name, values in rows.values.items():
                connection.execute(insert(tables.metadata.tables[name]), values)
        self.batches = batches
        TableGuard.of(self.home, "dataset", self.model.name).check(open_table(uri))

    def next_file(self, rows: int = ROWS) -> StoredFile:
        """The file that comes next, landed."""
        path = self.landing / f"hours_{self.batches:06}.csv"
        path.write_bytes(_csv(self._next_hours(rows)))
        long_ago = (BEGAN + timedelta(days=1)).timestamp()
        os.utime(path, (long_ago, long_ago))
        self.batches += 1
        (found,) = [one for one in list_files(str(self.landing), self.model.source.patterns) if one.name == path.name]
        return found

    def _next_hours(self, count: int) -> pl.DataFrame:
        start = BEGAN + self._hours * HOUR
        self._hours += count
        return hours(start, start + count * HOUR)

    def unannounced(self, announced: int) -> Announcement | None:
        """What is new since a version."""
        return find_unannounced(self.model, self.home, self.journal, announced)

    def _record(self, number: int, version: int, start: datetime) -> BatchRecord:
        run = RunRef("ingest_weather", f"run_{number}")
        return BatchRecord(
            model=self.model.name,
            batch_id=f"{number:064x}",
            uri=f"{self.home.landing_of(self.model.name)}/hours_{number:06}.csv",
            size_bytes=1,
            modified_at=start,
            state=BatchState.PUBLISHED,
            rows_read=ROWS,
            rows_published=ROWS,
            rows_quarantined=0,
            rows_dropped=0,
            recorded_at=start,
            run=run,
            dataset_version=version,
            window_start=start,
            window_end=start + ROWS * HOUR,
        )

    def _landed(self, record: BatchRecord, part: pl.DataFrame) -> Arrival:
        """The file as an ingest leaves it."""
        path = self.place_of_done(record.uri.rsplit("/", 1)[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_csv(part))
        os.utime(path, (record.modified_at.timestamp(),) * 2)
        found = path.stat()
        state = str(record.state)
        return Arrival(self.model.name, record.uri, found.st_size, record.modified_at, record.batch_id, state)

    def place_of_done(self, name: str) -> Path:
        """Where a file is that was ingested some time ago."""
        return Path(self.home.ingested_of(self.model.name)) / name


class _Rows:
    """Rows of the journal's tables, as one batch after the other leaves them."""

    def __init__(self) -> None:
        self.values: dict[str, list[dict[str, Any]]] = {}

    def add(self, batch: BatchRecord, arrival: Arrival) -> None:
        at, run, model, number = batch.recorded_at, batch.run, batch.model, batch.dataset_version or 0
        self._add("batches", row_of(batch))
        self._add("arrivals", {**arrival.__dict__})
        for kind in (DecisionKind.TRAINING, DecisionKind.GATES, DecisionKind.RETRAIN_REQUEST, DecisionKind.SHADOW):
            accepted = kind is not DecisionKind.TRAINING or number % 7 == 0
            figures = {"labelled_rows": float(number * ROWS)}
            one = Decision(model, kind, accepted, ("so it is",), at, run, f"subject {number}", figures)
            self._add("decisions", row_of(one))
        self._add("alerts", row_of(DeliveredAlert(model, "info", "title", "text", "log", True, at, run)))
        self._add("alias_moves", row_of(AliasMove(model, "champion", str(number), str(number + 1), "why", at, run)))
        window = WindowRecord(model, at, at + ROWS * HOUR, WindowState.DONE, at, run, rows=ROWS)
        self._add("windows", row_of(window))
        snapshot = SnapshotRecord("file:///backup", f"dataset/{model}", f"{at:%Y%m%dT%H%M%SZ}", at, 1, 1, 1, run)
        self._add("snapshots", row_of(snapshot))
        drill = DrillRecord("file:///backup", f"dataset/{model}", snapshot.name, 1, True, False, (), at, 1.0, 1.0, run)
        self._add("drills", row_of(drill))
        used = TaskUsage(model, "ingest", "ingest", -1, "success", "", "default", at, 1.0, 1.0, 1, run)
        self._add("ledger", row_of(used))

    def _add(self, table: str, row: dict[str, Any]) -> None:
        self.values.setdefault(table, []).append(row)


@contextmanager
def counting() -> Iterator[Callable[[], Counts]]:
    """Count what is read, by whatever thread, until the block ends; the journal's connections must be made inside."""
    seen = dict.fromkeys(("steps", "rows", "files", "parts", "commits"), 0)
    lock = threading.Lock()

    def add(name: str, count: int = 1) -> int:
        with lock:
            seen[name] += count
        return 0

    def watch(connection: Any, _record: object) -> None:
        with suppress(AttributeError):  # only SQLite's connections say so
            connection.set_progress_handler(lambda: add("steps"), _STEPS)

    real_stat, real_lstat, real_scandir, real_scan = os.stat, os.lstat, os.scandir, pl.scan_parquet

    def scan(files: Any, **more: Any) -> Any:
        add("parts", len(files) if isinstance(files, list) else 1)
        return real_scan(files, **more)

    before = _reads()
    with (
        patch("os.stat", lambda *args, **more: (add("files"), real_stat(*args, **more))[1]),
        patch("os.lstat", lambda *args, **more: (add("files"), real_lstat(*args, **more))[1]),
        patch("os.scandir", lambda *args: _Counted(real_scandir(*args), lambda: add("files"))),
        patch("polars.scan_parquet", scan),
        _counted_history(lambda found: add("commits", found)),
        _counted_rows(lambda: add("rows")),
    ):
        event.listen(Engine, "connect", watch)
        try:
            yield lambda: Counts(**seen, reads=_reads() - before)
        finally:
            event.remove(Engine, "connect", watch)


def counts_of(what: Callable[[], object]) -> Counts:
    """What one call reads."""
    with counting() as counted:
        what()
        return counted()


def least_counts_of(calls: Iterable[Callable[[], object]]) -> Counts:
    """What each of some like calls reads at least."""
    return reduce(Counts.least, map(counts_of, calls))


@contextmanager
def _counted_history(add: Callable[[int], object]) -> Iterator[None]:
    from deltalake import DeltaTable

    real = DeltaTable.history

    def history(table: Any, *limit: Any, **more: Any) -> Any:
        found = real(table, *limit, **more)
        add(len(found))
        return found

    with patch.object(DeltaTable, "history", history):
        yield


@contextmanager
def _counted_rows(add: Callable[[], object]) -> Iterator[None]:
    """Count the rows of the journal that become records."""
    from almanac.journal import journal, rows

    real = rows.record_of

    def record_of(kind: Any, row: Any) -> Any:
        add()
        return real(kind, row)

    real_arrival = Arrival.__init__

    def arrival(one: Arrival, *args: Any, **more: Any) -> None:
        add()
        real_arrival(one, *args, **more)

    with (
        patch.object(rows, "record_of", record_of),
        patch.object(journal, "record_of", record_of),
        patch.object(Arrival, "__init__", arrival),
    ):
        yield


class _Counted:
    """The entries of a folder, each counted as it is given."""

    def __init__(self, entries: Any, add: Callable[[], object]) -> None:
        self._entries, self._add = entries, add

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> Any:
        entry = next(self._entries)
        self._add()
        return entry

    def __enter__(self) -> "_Counted":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries.close()


def _reads() -> int:
    """How many times this process has read; 0 where the system does not tell."""
    with suppress(OSError):
        lines = Path("/proc/self/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("syscr"))
    return 0


def _committed(part: pl.DataFrame, batch_id: str) -> pl.DataFrame:
    month = pl.col(_TIME).dt.strftime("%Y-%m").alias(MONTH)
    rows = part.select(list(WEATHER.dataset.columns)).with_columns(pl.col("Wind_bearing_degrees").cast(pl.Int64))
    return rows.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_row"), month).with_columns(
        pl.lit(batch_id).alias(BATCH)
    )


def _csv(part: pl.DataFrame) -> bytes:
    time = pl.col(_TIME).dt.strftime("%Y-%m-%d %H:%M:%S%:z")
    return part.with_columns(time).write_csv().encode()
