"""Opens Delta tables and commits to them, each commit directly after the version that its rows were checked against."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from almanac.config.location import check_location
from almanac.config.sections.dataset import Column
from almanac.data.formats.reader import ROW
from almanac.data.table.data_files import check_sizes, columns_above, damage_of, file_locations, table_location
from almanac.data.table.delta_log import log_problems, way_out
from almanac.errors import AlmanacError, DataError, DataLossError, TransientError
from almanac.storage.errors import describe

if TYPE_CHECKING:
    import polars as pl

BATCH, MONTH = "_batch", "_month"
NO_VERSION = -1
_HIDDEN_FEATURES = frozenset({"columnMapping", "deletionVectors"})  # with them, files alone do not tell the rows
_MAPPING_VERSION = 2  # of Delta's protocol: columns may have other names in the files
_COMMIT = "commit_id"  # in a commit's metadata: whose it is
MAINTENANCE = "maintenance"  # in a commit's metadata: it changed no row
_FEW = 6  # commits: seldom are so many of maintenance next to each other
UNCHANGED = 2  # version of an application transaction: the rows of this batch were all there already
_ROW_GROUP = 100_000  # of quarantined texts: the writer holds one in memory
DELTA_TYPES = {"timestamp": "timestamp", "float": "double", "integer": "long", "string": "string"}

# The log is the only truth about batches: it is never cleaned by age. What may go is decided by reference.
CONFIGURATION = {"delta.enableExpiredLogCleanup": "false"}


class ConcurrentCommitError(TransientError):
    """Another writer committed since the snapshot was taken: look again, check again, then try again."""


class NoCommitError(TransientError):
    """The store failed, and there is no commit."""


def open_table(uri: str, version: int | None = None) -> Any:
    """Open a Delta table at a version (none: the newest); None when there is no table.

    Raises:
        DataError: the table has no such version.
        DataLossError: its log is damaged.
        TransientError: the store is unreachable.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    check_location(uri, "Delta table")  # deltalake would read another folder, or end the process
    try:
        table = DeltaTable(uri)
        if version is None or version == table.version():
            return table
        if not 0 <= version < table.version():
            raise DataError(
                f"{uri}: no version {version}; it has versions 0 to {table.version()}. If it had that version before,"
                " commits are lost: ./almanac doctor says so; see docs/operations.md, 'A table is behind'"
            )
        return DeltaTable(uri, version=version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise _opening_error(uri, error) from None


def _opening_error(uri: str, error: Exception) -> AlmanacError:
    """Distinguish a damaged log, which waiting does not repair, from an unreachable store."""
    try:
        problems = log_problems(uri)
    except AlmanacError:
        problems = []
    if problems:
        return DataLossError(f"{uri}: its log is damaged: {'; '.join(problems)}. {way_out()}")
    return TransientError(f"{uri}: cannot be opened: {describe(error)}. Check that the store is up and readable.")


def scan_table(table: Any, names: Collection[str] | None = None) -> "pl.LazyFrame":
    """The rows of a table at the version at which it was opened, to be read by `collect`.

    Args:
        table: the table.
        names: of the files, as the log has them, of which the rows are wanted; None: all.

    The files are named here, not by `polars.scan_delta`: that asks Python for them in the middle of reading, in threads
    of its own (which can end in a crash or in waiting for ever), and of a table that was brought up to date meanwhile.

    Raises:
        DataError: another program has given the table a feature by which its files alone do not tell its rows.
        DataLossError: one of its files is missing or has another size.
    """
    import polars as pl

    _check_readable(table)
    check_sizes(table)
    schema, files = pl.Schema(table.schema()), file_locations(table, names)
    if not files:
        return pl.LazyFrame(schema=schema)
    in_places = table.metadata().partition_columns  # such columns are in the files' places alone
    above = columns_above(table_location(table), schema) if in_places else []
    rows = pl.scan_parquet(
        files,
        schema={name: dtype for name, dtype in schema.items() if name not in in_places},
        hive_schema={name: schema.get(name, pl.String) for name in (*above, *in_places)} or None,
        hive_partitioning=bool(in_places),
        missing_columns="insert",  # one that was added after a file was written
        glob=False,
        credential_provider=None,  # the environment, or the machine's role, says who we are, as to all others here
    )
    return rows.drop(above) if above else rows


def _check_readable(table: Any) -> None:
    """Refuse what Almanac never writes and would read wrong."""
    protocol = table.protocol()
    found = _HIDDEN_FEATURES.intersection(protocol.reader_features or ())
    if found or protocol.min_reader_version == _MAPPING_VERSION:
        raise DataError(
            f"{table_location(table)}: cannot be read; got reader version {protocol.min_reader_version} with"
            f" {sorted(found)}, expected a table without {sorted(_HIDDEN_FEATURES)}. Another program has changed it:"
            " restore an earlier state, or rewrite its rows without the feature."
        )


def read_table(uri: str, version: int | None = None) -> "pl.DataFrame":
    """All rows of the table at a place, at a version (none: the newest); an empty frame where there is no table.

    Raises:
        DataError: the table has no such version.
        TransientError: the store is unreachable.
    """
    import polars as pl

    table = open_table(uri, version)
    return pl.DataFrame() if table is None else collect(scan_table(table), uri)


@contextmanager
def read_errors(uri: str) -> Iterator[None]:
    """Turn the faults of reading the table at `uri` into DataLossError, where a file is damaged, or TransientError."""
    from polars.exceptions import ComputeError, PanicException

    try:
        yield
    except (OSError, ComputeError, PanicException) as error:
        if damage := _damage_at(uri):
            raise DataLossError(damage) from None
        raise TransientError(
            f"{uri}: cannot be read: {describe(error)}. Check that the store is up and readable."
        ) from None


def _damage_at(uri: str) -> str:
    """Which files of the newest version are damaged; empty: none, or unknown."""
    try:
        table = open_table(uri)
        return "" if table is None else damage_of(table)
    except AlmanacError:
        return ""


def collect(frame: "pl.LazyFrame", uri: str, *, streaming: bool = False) -> "pl.DataFrame":
    """Read what a scan of the table at `uri` selects.

    Args:
        frame: the scan.
        uri: the place of the table.
        streaming: memory shall not grow with the rows that are read, for what only counts them.

    Raises:
        TransientError: the store is unreachable.
    """
    with read_errors(uri):
        return frame.collect(engine="streaming" if streaming else "auto")


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
    new_columns: bool = False,
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
        new_columns: columns of `rows` that the table has not are added; those that `rows` has not are empty.

    Raises:
        ConcurrentCommitError: another writer committed since; nothing was written.
        TransientError: the store failed; nothing was written.
    """
    from deltalake import WriterProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    commit_id, properties = own_commit(metadata, {batch_id: sequence})
    mode: Any = "error" if table is None else "append" if replace is None else "overwrite"
    try:
        write_deltalake(
            uri if table is None else table,
            rows,
            mode=mode,
            schema_mode="merge" if new_columns and table is not None else None,
            partition_by=partition_by,
            configuration=CONFIGURATION if table is None else None,
            predicate=replace,
            commit_properties=properties,
            writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=_ROW_GROUP),
        )
    except (DeltaError, OSError) as error:
        return settle_commit(uri, table, commit_id, error)
    return 0 if table is None else int(table.version())


def own_commit(
    metadata: Mapping[str, str], transactions: Mapping[str, int] = MappingProxyType({}), unchanged: Collection[str] = ()
) -> tuple[str, Any]:
    """An id for one commit, and its properties: it follows the version that it was checked against, or fails.

    Args:
        metadata: kept with the commit.
        transactions: application transactions and their versions.
        unchanged: batches that brought nothing to the version before, so that no commit of their own names them.
    """
    from deltalake import CommitProperties, Transaction

    commit_id = uuid4().hex
    versions = {**dict.fromkeys(unchanged, UNCHANGED), **transactions}
    return commit_id, CommitProperties(
        custom_metadata={**metadata, _COMMIT: commit_id},
        max_commit_retries=0,  # a retry would commit on top of rows that these were not checked against
        app_transactions=[Transaction(name, version) for name, version in versions.items()] or None,
    )


def commit_id_of(table: Any) -> str:
    """The id of the last commit that changed what the table holds; of one that is not Almanac's: its place and time."""
    newest = [one for one in table.history(_FEW) if not _is_maintenance(one)]
    commit = newest[0] if newest else next(one for one in table.history() if not _is_maintenance(one))
    return str(commit.get(_COMMIT) or f"{commit['version']} at {commit['timestamp']}")


def settle_commit(uri: str, table: Any, commit_id: str, error: Exception) -> int:
    """Find out what became of a commit that ended in an error, and return its version if it was made all the same.

    The store may have made it while its answer was lost; asked again, it says that there is such a version already.

    Args:
        uri: the place of the table.
        table: the version that the commit was to follow; None: the first.
        commit_id: of `own_commit`.
        error: how the commit ended.

    Raises:
        ConcurrentCommitError: another writer made that version; this commit can never be made.
        NoCommitError: there is no such version. A request to an object store may still be carried out.
        TransientError: the store is unreachable.
    """
    before = NO_VERSION if table is None else int(table.version())
    now = open_table(uri)
    if now is None or now.version() <= before:
        raise NoCommitError(
            f"{uri}: the commit failed: {describe(error)}. Check free space and permissions of the store."
        ) from None
    made = open_table(uri, before + 1)
    if made.history(1)[0].get(_COMMIT) == commit_id:
        return before + 1
    raise ConcurrentCommitError(f"{uri}: version {now.version()} was committed meanwhile; try again") from None


def _is_maintenance(commit: Mapping[str, Any]) -> bool:
    """Whether a commit changed no row; a vacuum makes two commits of its own."""
    return MAINTENANCE in commit or commit.get("operation") in ("VACUUM START", "VACUUM END", "OPTIMIZE")


def add_columns(uri: str, table: Any, columns: Mapping[str, Column], *, unchanged: Collection[str] = ()) -> None:
    """Give the table columns in which its rows hold nothing.

    Args:
        uri: the place of the table.
        table: the version that the commit must follow.
        columns: the new ones.
        unchanged: batches that brought nothing to `table`.

    Raises:
        ConcurrentCommitError: another writer committed since the table was opened.
        TransientError: the store failed.
    """
    from deltalake import Field
    from deltalake.exceptions import DeltaError
    from deltalake.schema import PrimitiveType

    commit_id, properties = own_commit({"added_columns": ", ".join(columns)}, unchanged=unchanged)
    fields = [Field(name, PrimitiveType(DELTA_TYPES[column.type])) for name, column in columns.items()]
    try:
        table.alter.add_columns(fields, commit_properties=properties)
    except (DeltaError, OSError) as error:
        settle_commit(uri, table, commit_id, error)


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
