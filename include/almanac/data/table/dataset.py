"""The validated table of a model: a Delta Lake table, one commit per batch, readable at every version."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.config.sections.dataset import Column
from almanac.data.table.dataset_snapshot import INTERNAL_COLUMNS, DatasetSnapshot, month_of
from almanac.data.table.delta_parts import commit_parts
from almanac.data.table.delta_table import (
    BATCH,
    MONTH,
    NO_VERSION,
    add_columns,
    collect,
    delta_schema,
    open_table,
    scan_table,
)
from almanac.data.table.log_statistics import time_bounds
from almanac.data.table.opened_table import OpenedTable
from almanac.data.table.part_files import PartFile
from almanac.data.table.table_guard import TableGuard
from almanac.data.table.table_metadata import TableMetadata, describe_table
from almanac.errors import DataError
from almanac.journal.journal import Journal

if TYPE_CHECKING:
    import polars as pl


_NO_METADATA = TableMetadata("", "")


class DatasetTable:
    """The Delta table of a model's validated rows.

    Times are `Datetime("us", "UTC")`, numbers float64 or int64, texts strings.

    Raises:
        DataError: on every reading method, when nothing was published yet or there is no such version.
        TransientError: when the store is unreachable.
    """

    def __init__(
        self,
        uri: str,
        *,
        time_column: str,
        columns: Mapping[str, Column],
        about: TableMetadata = _NO_METADATA,
        guard: TableGuard | None = None,
    ) -> None:
        self.uri = uri
        self._guard = guard
        self.time_column = time_column
        self._about = about
        self._columns = columns
        self._sizes: dict[int, int | None] = {}
        self._opened = OpenedTable(uri)

    @classmethod
    def of(cls, home: Home, model: Declared, journal: Journal | None = None) -> "DatasetTable":
        """The dataset of a model, its own or the shared one; `journal`: the home's, where it is open already."""
        return cls(
            home.dataset_of(model.dataset_owner),
            time_column=model.dataset.time,
            columns=model.dataset.columns,
            about=TableMetadata(model.dataset_owner, describe_table(model)),
            guard=TableGuard.of(home, "dataset", model.dataset_owner, journal),
        )

    def exists(self) -> bool:
        """Whether anything was published yet."""
        return self.snapshot().table is not None

    def version(self) -> int:
        """The newest version, for further work.

        Raises:
            DataLossError: the table is behind what is known of it.
        """
        table = self._table(None)
        if self._guard is not None:
            self._guard.check(table)
        return int(table.version())

    def count(self, version: int | None = None) -> int:
        """The number of rows at a version (none: the newest)."""
        return int(self._table(version).count())

    def time_range(self, version: int | None = None) -> tuple[datetime, datetime] | None:
        """The first and the last event time at a version; None when it holds no row."""
        return time_bounds(self._table(version), self.time_column)

    def batches_by_window(
        self, size: timedelta, *, version: int | None = None, since: datetime, until: datetime | None = None
    ) -> dict[datetime, dict[str, int]]:
        """For each window (counted from 1970 in UTC) that has rows in `[since, until)`: batch -> rows.

        Counted as the rows stream by: memory does not grow with them.
        """
        import polars as pl

        time, months = pl.col(self.time_column), pl.col(MONTH)
        rows = scan_table(self._table(version)).filter(months >= month_of(since), time >= since)
        if until is not None:
            rows = rows.filter(months <= month_of(until), time < until)
        microseconds, size_us = time.dt.timestamp("us"), size // timedelta(microseconds=1)
        start = (microseconds - microseconds % size_us).cast(pl.Datetime("us", "UTC")).alias("start")
        counted = collect(rows.select(start, BATCH).group_by("start", BATCH).len(), self.uri, streaming=True)
        found: dict[datetime, dict[str, int]] = {}
        for window, batch, count in counted.iter_rows():
            found.setdefault(window, {})[batch] = count
        return found

    def read(
        self,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> "pl.DataFrame":
        """Rows of `[since, until)`, ordered by event time, without the internal columns unless they are named."""
        table = self._table(version)
        wanted = columns or [f.name for f in table.schema().fields if f.name not in INTERNAL_COLUMNS]
        return DatasetSnapshot(table.version(), self.time_column, table).rows(wanted, since=since, until=until)

    def snapshot(self) -> DatasetSnapshot:
        """The newest version, or an empty snapshot before the first batch; earlier ones are of no use after it."""
        table = self._opened.newest()
        return DatasetSnapshot(NO_VERSION if table is None else table.version(), self.time_column, table, self._sizes)

    def checked_snapshot(self) -> DatasetSnapshot:
        """The same, for writes and decisions.

        Raises:
            DataLossError: the table is behind what is known of it, or another one.
            TransientError: there is no table where one was.
        """
        snapshot = self.snapshot()
        if self._guard is not None:
            self._guard.check(snapshot.table)
        return snapshot

    def grown(
        self, snapshot: DatasetSnapshot, unchanged: Callable[[DatasetSnapshot], Collection[str]]
    ) -> DatasetSnapshot:
        """The same, after the table was given the columns that have been declared since; its rows hold nothing there.

        Args:
            snapshot: the newest.
            unchanged: says which batches brought nothing to it; see `almanac.data.table.unchanged`.

        Raises:
            ConfigError: the declared columns differ from the table's in another way.
            TransientError: the store failed, or another writer commits at this moment.
        """
        new = snapshot.new_columns(self._columns)
        if not new:
            return snapshot
        columns = {name: self._columns[name] for name in new}
        add_columns(self.uri, snapshot.table, columns, unchanged=unchanged(snapshot))
        grown = self.snapshot()
        self._advance(grown.version)
        return grown

    def publish(
        self,
        parts: Sequence[PartFile],
        batch_id: str,
        *,
        after: DatasetSnapshot,
        metadata: Mapping[str, str],
        replaced: "Sequence[pl.DataFrame]" = (),
        unchanged: Collection[str] = (),
    ) -> int:
        """Add the files of one batch as one commit and return the new version.

        The commit carries the batch id as its application transaction, and fails unless it directly follows
        `after`: what was checked against that snapshot (the batch is new, its keys are new) still holds then.

        Args:
            parts: files with the declared columns, `_row` and `_batch`; they move to the table.
            batch_id: the SHA-256 of the batch.
            after: the snapshot that the rows were checked against.
            metadata: kept with the commit.
            replaced: `_month`, `_batch` and `_row` of published rows that these rows correct; they leave with the
                same commit, and older versions still show them.
            unchanged: ids of the batches that brought nothing to `after`; from here on the log knows them, too.

        Raises:
            ConcurrentCommitError: another writer committed since; nothing was published.
            DataLossError: the table is behind what is known of it; nothing was published.
            TransientError: the store failed; nothing was published.
        """
        if self._guard is not None:
            self._guard.check(after.table)
        version = commit_parts(
            self.uri,
            after.table,
            parts,
            delta_schema(self._columns),
            batch_id=batch_id,
            metadata={**metadata, "parent_version": "" if after.table is None else str(after.version)},
            replaced=replaced,
            unchanged=unchanged,
            about=self._about,
        )
        self._advance(version)
        return version

    def _advance(self, version: int) -> None:
        if self._guard is not None:
            self._guard.advance(version)

    def _table(self, version: int | None) -> Any:
        table = open_table(self.uri, version)
        if table is None:
            raise DataError(
                f"{self.uri}: no dataset; got nothing at this location, expected a table with at least one published"
                f" batch. Let a file land in the landing area of the model: its ingest DAG publishes it."
            )
        return table
