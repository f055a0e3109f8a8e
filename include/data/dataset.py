"""The validated table of a model: a Delta Lake table, one commit per batch, readable at every version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.config.home import Home
from include.config.schema import Column, Model
from include.errors import ConfigError, DataError, TransientError

if TYPE_CHECKING:
    import polars as pl

BATCH, ROW, MONTH = "_batch", "_row", "_month"
INTERNAL_COLUMNS = (BATCH, ROW, MONTH)
NO_VERSION = -1

_DELTA_TYPES = {"timestamp": "timestamp", "float": "double", "integer": "long", "string": "string"}

# The log is the only truth about batches: it is never cleaned by age. What may go is decided by reference.
_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false"}


class ConcurrentCommitError(TransientError):
    """Somebody committed since the snapshot was taken: look again, check again, then try again."""


@dataclass(frozen=True)
class Snapshot:
    """The dataset at one version. `version` is NO_VERSION, and `table` None, before the first batch."""

    version: int
    time_column: str
    table: Any = None

    def holds(self, batch_id: str) -> bool:
        """Whether the batch was published at or before this version."""
        return self.table is not None and self.table.transaction_version(batch_id) is not None

    def check_columns(self, declared: Mapping[str, Column]) -> None:
        """Refuse columns that are not those of the table: nobody changes a schema by accident.

        Raises:
            ConfigError: they differ.
        """
        if self.table is None:
            return
        wanted = {name: _DELTA_TYPES[column.type] for name, column in declared.items()}
        fields = {field.name: str(field.type.type) for field in self.table.schema().fields}
        found = {name: kind for name, kind in fields.items() if name not in INTERNAL_COLUMNS}
        if found != wanted:
            differ = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
            raise ConfigError(
                f"{self.table.table_uri}: dataset.columns do not fit the table; got {differ} declared as"
                f" {[wanted.get(name) for name in differ]}, expected {[found.get(name) for name in differ]}. Undo the"
                f" change of the model's YAML, or rebuild the dataset."
            )

    def rows(
        self,
        columns: Sequence[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        months: Sequence[str] | None = None,
    ) -> "pl.DataFrame":
        """Rows of `[since, until)` by event time, of these months only. Files of other months are not opened.

        Raises:
            DataError: there is no such column.
        """
        import polars as pl

        frame = pl.scan_delta(self.table)
        unknown = [name for name in columns if name not in frame.collect_schema().names()]
        if unknown:
            raise DataError(f"{self.table.table_uri}: no columns {unknown}; it has {frame.collect_schema().names()}")
        if since is not None:
            frame = frame.filter(pl.col(MONTH) >= _month(since), pl.col(self.time_column) >= since)
        if until is not None:
            frame = frame.filter(pl.col(MONTH) <= _month(until), pl.col(self.time_column) < until)
        if months is not None:
            frame = frame.filter(pl.col(MONTH).is_in(months))
        # batch and row break ties of time, so that every reader sees one and the same order
        return frame.sort(self.time_column, BATCH, ROW).select(columns).collect()


class Dataset:
    """The Delta table of a model's validated rows.

    Times are `Datetime("us", "UTC")`, numbers float64 or int64, texts strings.

    Raises:
        DataError: on every reading method, when nothing was published yet or there is no such version.
        TransientError: when the store is away.
    """

    def __init__(self, uri: str, *, time_column: str) -> None:
        self.uri = uri
        self.time_column = time_column

    @classmethod
    def of(cls, home: Home, model: Model) -> "Dataset":
        """The dataset of a model."""
        return cls(home.dataset_of(model.name), time_column=model.dataset.time)

    def exists(self) -> bool:
        """Whether anything was published yet."""
        return self.snapshot().table is not None

    def version(self) -> int:
        """The newest version."""
        return int(self._table(None).version())

    def count(self, version: int | None = None) -> int:
        """The number of rows at a version (none: the newest)."""
        return int(self._table(version).count())

    def time_range(self, version: int | None = None) -> tuple[datetime, datetime] | None:
        """The first and the last event time at a version; None when it holds no row."""
        import polars as pl

        time = pl.col(self.time_column)
        bounds = pl.scan_delta(self._table(version)).select(first=time.min(), last=time.max()).collect()
        first, last = bounds.row(0)
        return None if first is None else (first, last)

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
        return Snapshot(table.version(), self.time_column, table).rows(wanted, since=since, until=until)

    def snapshot(self) -> Snapshot:
        """The newest version, or an empty snapshot before the first batch."""
        table = open_table(self.uri)
        return Snapshot(NO_VERSION if table is None else table.version(), self.time_column, table)

    def publish(self, rows: "pl.DataFrame", batch_id: str, *, after: Snapshot, metadata: Mapping[str, str]) -> int:
        """Append one batch as one commit and return the new version.

        The commit carries the batch id as its application transaction, and fails unless it directly follows
        `after`: what was checked against that snapshot (the batch is new, its keys are new) still holds then.

        Args:
            rows: the declared columns and the internal `_row`.
            batch_id: the SHA-256 of the batch.
            after: the snapshot that the rows were checked against.
            metadata: kept with the commit.

        Raises:
            ConcurrentCommitError: somebody else committed since; nothing was published.
            TransientError: the store failed; nothing was published.
        """
        import polars as pl

        time = pl.col(self.time_column)
        batch = rows.with_columns(pl.lit(batch_id).alias(BATCH), time.dt.strftime("%Y-%m").alias(MONTH))
        return commit(
            self.uri, after.table, batch, batch_id=batch_id, sequence=1, metadata=metadata, partition_by=[MONTH]
        )

    def _table(self, version: int | None) -> Any:
        table = open_table(self.uri, version)
        if table is None:
            raise DataError(
                f"{self.uri}: no dataset; got nothing at this place, expected a table with at least one published"
                f" batch. Let a file land and run the ingest first: ./almanac ingest <model>."
            )
        return table


def time_bounds(times: "pl.Series") -> tuple[datetime, datetime] | None:
    """The first and the last time; None where there is none."""
    first, last = times.min(), times.max()
    return (first, last) if isinstance(first, datetime) and isinstance(last, datetime) else None


def open_table(uri: str, version: int | None = None) -> Any:
    """Open a Delta table at a version (none: the newest); None when there is no table.

    Raises:
        DataError: the table has no such version.
        TransientError: the store is away.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        table = DeltaTable(uri)
        if version is None or version == table.version():
            return table
        if not 0 <= version < table.version():
            raise DataError(f"{uri}: no version {version}; it has versions 0 to {table.version()}")
        return DeltaTable(uri, version=version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise TransientError(f"{uri}: cannot be opened: {error}. Check that the store is up and readable.") from error


def commit(
    uri: str,
    table: Any,
    rows: "pl.DataFrame",
    *,
    batch_id: str,
    sequence: int,
    metadata: Mapping[str, str],
    partition_by: list[str] | None = None,
    replace: str | None = None,
) -> int:
    """Write one commit directly after the version of `table` (None: the first) and return its version.

    Args:
        uri: the place of the table.
        table: the version that the commit must follow.
        rows: what to append.
        batch_id: the application transaction.
        sequence: the version of the application transaction.
        metadata: kept with the commit.
        partition_by: the partition columns.
        replace: SQL predicate of rows that the new ones replace.

    Raises:
        ConcurrentCommitError: somebody else committed since; nothing was written.
        TransientError: the store failed; nothing was written.
    """
    from deltalake import CommitProperties, Transaction, WriterProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    properties = CommitProperties(
        custom_metadata=dict(metadata),
        max_commit_retries=0,  # a retry would commit on top of rows that these were not checked against
        app_transactions=[Transaction(batch_id, sequence)],
    )
    mode: Any = "error" if table is None else "append" if replace is None else "overwrite"
    try:
        write_deltalake(
            uri if table is None else table,
            rows,
            mode=mode,
            partition_by=partition_by,
            configuration=_CONFIGURATION if table is None else None,
            predicate=replace,
            commit_properties=properties,
            writer_properties=WriterProperties(compression="ZSTD"),
        )
    except (DeltaError, OSError) as error:
        before = NO_VERSION if table is None else table.version()
        now = open_table(uri)
        if now is not None and now.version() > before:
            raise ConcurrentCommitError(f"{uri}: version {now.version()} was committed meanwhile; try again") from error
        raise TransientError(f"{uri}: the commit failed: {error}. Check the space and rights of the store.") from error
    return 0 if table is None else int(table.version())


def _month(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m")
