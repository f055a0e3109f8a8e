"""Opens Delta tables and commits to them, each commit directly after the version that its rows were checked against."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.config.dataset import Column
from include.data.part_files import Part, PartWriter
from include.data.records import ROW
from include.errors import DataError, TransientError
from include.storage.files import move_file, open_stream, remove

if TYPE_CHECKING:
    import polars as pl

BATCH, MONTH = "_batch", "_month"
NO_VERSION = -1
_ROW_GROUP = 100_000  # of quarantined texts: the writer holds one in memory
DELTA_TYPES = {"timestamp": "timestamp", "float": "double", "integer": "long", "string": "string"}

# The log is the only truth about batches: it is never cleaned by age. What may go is decided by reference.
_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false"}


class ConcurrentCommitError(TransientError):
    """Somebody committed since the snapshot was taken: look again, check again, then try again."""


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
    rows: Any,
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
        rows: what to append: a polars frame or a stream of Arrow batches.
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
            writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=_ROW_GROUP),
        )
    except (DeltaError, OSError) as error:
        raise _commit_fault(uri, table, error) from error
    return 0 if table is None else int(table.version())


def delta_schema(columns: Mapping[str, Column]) -> Any:
    """The schema of a dataset with these columns."""
    import pyarrow as pa
    from deltalake import Schema

    types = {
        "timestamp": pa.timestamp("us", "UTC"),
        "float": pa.float64(),
        "integer": pa.int64(),
        "string": pa.string(),
    }
    declared = [(name, types[column.type]) for name, column in columns.items()]
    internal = [(ROW, pa.int64()), (BATCH, pa.string()), (MONTH, pa.string())]
    return Schema.from_arrow(pa.schema([*declared, *internal]))


def commit_parts(
    uri: str,
    table: Any,
    parts: Sequence[Part],
    schema: Any,
    *,
    batch_id: str,
    metadata: Mapping[str, str],
    replaced: "Sequence[pl.DataFrame]" = (),
) -> int:
    """Move files into a table partitioned by month and make them part of it with one commit; return its version.

    Args:
        uri: the place of the table.
        table: the version that the commit must follow; None: the first.
        parts: the files.
        schema: of the table.
        batch_id: the application transaction.
        metadata: kept with the commit.
        replaced: `_month`, `_batch` and `_row` of rows that leave the table.

    Raises:
        ConcurrentCommitError: somebody else committed since; nothing was added.
        TransientError: the store failed; nothing was added.
    """
    from deltalake import CommitProperties, Transaction
    from deltalake.exceptions import DeltaError
    from deltalake.transaction import create_table_with_add_actions

    properties = CommitProperties(
        custom_metadata=dict(metadata),
        max_commit_retries=0,  # a retry would commit on top of rows that these were not checked against
        app_transactions=[Transaction(batch_id, 1)],
    )
    kept, removals = ([], []) if table is None else _without(table, replaced, parts)
    added = [_add(uri, part) for part in (*parts, *kept)]
    try:
        if table is None:
            create_table_with_add_actions(
                uri, schema, added, mode="error", partition_by=[MONTH], configuration=_CONFIGURATION,
                commit_properties=properties,
            )  # fmt: skip
            return 0
        table.create_write_transaction([*added, *removals], "append", schema, [MONTH], commit_properties=properties)
    except (DeltaError, OSError) as error:
        for one in added:
            remove(f"{uri}/{one.path}")
        raise _commit_fault(uri, table, error) from error
    return int(table.version()) + 1


def _add(uri: str, part: Part) -> Any:
    from deltalake.transaction import AddAction

    place = f"{MONTH}={part.month}/{part.path.name}"
    size = part.path.stat().st_size
    move_file(part.path, f"{uri}/{place}")
    return AddAction(place, size, {MONTH: part.month}, int(time.time() * 1000), True, part.stats())


def _without(table: Any, replaced: "Sequence[pl.DataFrame]", parts: Sequence[Part]) -> tuple[list[Part], list[Any]]:
    """Write the files that hold replaced rows anew, without these, and say which files they take the place of."""
    import polars as pl
    from deltalake.transaction import RemoveAction

    leaving = pl.concat(replaced) if replaced else pl.DataFrame()
    if leaving.is_empty():
        return [], []
    now = int(time.time() * 1000)
    writer = PartWriter(parts[0].path.parent, MONTH)
    removals = []
    for month, path, rows in _files(table, leaving[MONTH].unique().to_list()):
        rest = rows.join(leaving, on=[BATCH, ROW], how="anti", maintain_order="left")
        if rest.height < rows.height:
            writer.write(rest)
            removals.append(RemoveAction(path, True, now, None, {MONTH: month}))
    writer.close()
    return writer.parts, removals


def _files(table: Any, months: list[str]) -> "Iterator[tuple[str, str, pl.DataFrame]]":
    """The table's files of some months: month, path in the table, rows."""
    import polars as pl

    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    chosen = actions.filter(pl.col(f"partition.{MONTH}").is_in(months))
    for path, month in chosen.select("path", f"partition.{MONTH}").iter_rows():
        with open_stream(f"{table.table_uri.rstrip('/')}/{path}") as stream:
            yield month, path, pl.read_parquet(stream).with_columns(pl.lit(month).alias(MONTH))


def _commit_fault(uri: str, table: Any, error: Exception) -> TransientError:
    before = NO_VERSION if table is None else table.version()
    now = open_table(uri)
    if now is not None and now.version() > before:
        return ConcurrentCommitError(f"{uri}: version {now.version()} was committed meanwhile; try again")
    return TransientError(f"{uri}: the commit failed: {error}. Check the space and rights of the store.")
