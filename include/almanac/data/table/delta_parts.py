"""Makes Parquet files part of a Delta table: written first, then named by one commit."""

import io
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from almanac.data.formats.reader import ROW
from almanac.data.table.data_files import check_sizes, table_location
from almanac.data.table.delta_table import (
    BATCH,
    CONFIGURATION,
    MAINTENANCE,
    MONTH,
    ConcurrentCommitError,
    NoCommitError,
    own_commit,
    read_errors,
    settle_commit,
)
from almanac.data.table.part_files import PartFile, PartWriter
from almanac.data.table.table_metadata import TableMetadata
from almanac.errors import TransientError
from almanac.storage.files import move_file, read_bytes, remove
from almanac.storage.objects import is_remote

if TYPE_CHECKING:
    import polars as pl

_UPLOADS = 8  # at once


def commit_parts(
    uri: str,
    table: Any,
    parts: Sequence[PartFile],
    schema: Any,
    *,
    batch_id: str,
    metadata: Mapping[str, str],
    replaced: "Sequence[pl.DataFrame]" = (),
    unchanged: Collection[str] = (),
    about: TableMetadata,
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
        unchanged: batches that brought nothing to `table`.
        about: what a new table says of itself.

    Raises:
        ConcurrentCommitError: another writer committed since; nothing was added.
        TransientError: the store failed; nothing was added.
    """
    from deltalake.exceptions import DeltaError
    from deltalake.transaction import create_table_with_add_actions

    commit_id, properties = own_commit(metadata, {batch_id: 1}, unchanged)
    kept, removals = ([], []) if table is None else _without(table, replaced, parts)
    added = _add_all(uri, (*parts, *kept))
    try:
        if table is None:
            create_table_with_add_actions(
                uri,
                schema,
                added,
                mode="error",
                partition_by=[MONTH],
                configuration=CONFIGURATION,
                name=about.name,
                description=about.description,
                commit_properties=properties,
            )
            return 0
        table.create_write_transaction([*added, *removals], "append", schema, [MONTH], commit_properties=properties)
    except (DeltaError, OSError) as error:
        return _settle_parts(uri, table, commit_id, error, added)
    return int(table.version()) + 1


def name_batches(uri: str, table: Any, unchanged: Collection[str]) -> int:
    """Make a commit that changes no row and names batches that brought none; return its version.

    Raises:
        ConcurrentCommitError: another writer committed since the table was opened.
        TransientError: the store failed.
    """
    from deltalake.exceptions import DeltaError

    commit_id, properties = own_commit({MAINTENANCE: "unchanged batches"}, unchanged=unchanged)
    try:
        table.create_write_transaction([], "append", table.schema(), [MONTH], commit_properties=properties)
    except (DeltaError, OSError) as error:
        return settle_commit(uri, table, commit_id, error)
    return int(table.version()) + 1


def _settle_parts(uri: str, table: Any, commit_id: str, error: Exception, added: Sequence[Any]) -> int:
    """As `settle_commit`, and remove the files that no commit will ever name."""
    try:
        return settle_commit(uri, table, commit_id, error)
    except (ConcurrentCommitError, NoCommitError) as failure:
        # A request to an object store may be carried out after we gave up on it: then its files must be there. If it
        # never is, a vacuum takes them.
        if isinstance(failure, ConcurrentCommitError) or not is_remote(uri):
            for one in added:
                remove(f"{uri}/{one.path}")
        raise


def _add_all(uri: str, parts: Sequence[PartFile]) -> list[Any]:
    """Lay the files down, all or none: on a disk that is full, each try would else leave some of them again."""
    try:
        with ThreadPoolExecutor(_UPLOADS) as pool:
            return list(pool.map(partial(_add, uri), parts))
    except TransientError:
        with suppress(TransientError):  # of a store that is away; a vacuum takes them then
            for part in parts:
                remove(f"{uri}/{_path_of(part)}")
        raise


def _path_of(part: PartFile) -> str:
    return f"{MONTH}={part.month}/{part.path.name}"


def _add(uri: str, part: PartFile) -> Any:
    from deltalake.transaction import AddAction

    path = _path_of(part)
    size = part.path.stat().st_size
    move_file(part.path, f"{uri}/{path}")
    return AddAction(path, size, {MONTH: part.month}, int(time.time() * 1000), True, part.stats())


def _without(
    table: Any, replaced: "Sequence[pl.DataFrame]", parts: Sequence[PartFile]
) -> tuple[list[PartFile], list[Any]]:
    """Rewrite the files that hold replaced rows, without these, and say which files they replace."""
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

    check_sizes(table)
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    chosen = actions.filter(pl.col(f"partition.{MONTH}").is_in(months))
    for path, month in chosen.select("path", f"partition.{MONTH}").iter_rows():
        content = read_bytes(f"{table_location(table)}/{path}")
        with read_errors(table_location(table)):
            rows = pl.read_parquet(io.BytesIO(content))
        yield month, path, rows.with_columns(pl.lit(month).alias(MONTH))
