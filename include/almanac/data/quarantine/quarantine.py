"""Rows and files that failed, kept with the reason, so that people can repair and re-admit them."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.table.delta_table import collect, commit, scan_table
from almanac.data.table.opened_table import OpenedTable
from almanac.data.table.table_guard import TableGuard
from almanac.errors import DataError
from almanac.journal.journal import Journal
from almanac.storage.files import copy_file
from almanac.storage.listing import list_files

if TYPE_CHECKING:
    import polars as pl

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT = 12  # characters of a batch id that stand in a file's name
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class KeptFile:
    """A rejected file: where it is kept, the first characters of its batch id, and the name it came under."""

    uri: str
    batch: str
    name: str
    kept_at: datetime


class Quarantine:
    """The quarantined rows of a model, a Delta table of its own, and its rejected files.

    Columns of the rows: `batch`, `row` (number of the record in the file, from 1), `raw` (the record's cells as JSON),
    `rules` (the names of the broken rules), `uri`, `quarantined_at`.
    """

    def __init__(self, home: Home, model: Declared, journal: Journal | None = None) -> None:
        self.rows_uri = home.quarantined_rows_of(model.name)
        self.files_uri = home.quarantined_files_of(model.name)
        self._opened = OpenedTable(self.rows_uri)
        self._guard = TableGuard.of(home, "quarantine", model.name, journal)

    def write_rows(
        self, files: Sequence[Path], batch_id: str, *, uri: str, checked_at: int, quarantined_at: datetime
    ) -> None:
        """Make these rows the quarantined rows of the batch.

        A first try of the same batch may have died after this step, and its rows may have been checked against an
        older dataset. So rows that were checked later replace those checked earlier, never the other way round:
        the dataset version of the check is the version of the application transaction.

        Args:
            files: Parquet files of `row`, `raw`, `rules`; none: no row is bad.
            batch_id: the batch.
            uri: where the file landed.
            checked_at: the dataset version that the rows were checked against, -1 for none.
            quarantined_at: the time of writing.

        Raises:
            ConcurrentCommitError: another process quarantines rows of this model at this moment; try again.
            DataLossError: the table is behind what is known of it.
            TransientError: the store is unreachable.
        """
        table = self._opened.newest()
        sequence = checked_at + 1
        before = None if table is None else table.transaction_version(batch_id)
        if (before is None and not files) or (before is not None and before > sequence):
            return
        stamped = _stamped(files, batch_id, uri, quarantined_at)
        replace = None if before is None else f"batch = '{batch_id}'"
        metadata = {"batch": batch_id, "uri": uri}
        self._commit(table, stamped, batch_id, sequence, metadata, replace)

    def discard_rows(self, batch_id: str) -> None:
        """Forget the rows of a batch that is now rejected as a whole.

        Raises:
            ConcurrentCommitError: another process quarantines rows of this model at this moment; try again.
            DataLossError: the table is behind what is known of it.
            TransientError: the store is unreachable.
        """
        table = self._opened.newest()
        before = None if table is None else table.transaction_version(batch_id)
        if before is not None:
            self.write_rows([], batch_id, uri="", checked_at=before - 1, quarantined_at=_NEVER)

    def remove_rows(self, batch_id: str, rows: Collection[int]) -> None:
        """Take rows out that are in the dataset now; those that are out already are no fault.

        Raises:
            ConcurrentCommitError: another process quarantines rows of this model at this moment; try again.
            DataLossError: the table is behind what is known of it.
            TransientError: the store is unreachable.
        """
        import polars as pl

        table = self._opened.newest()
        sequence = None if table is None else table.transaction_version(batch_id)
        if table is None or sequence is None:
            return
        kept = collect(scan_table(table).filter(pl.col("batch") == batch_id), self.rows_uri)
        left = kept.filter(~pl.col("row").is_in(list(rows)))
        if left.height < kept.height:
            metadata = {"batch": batch_id, "rows": str(left.height)}
            replace = f"batch = '{batch_id}'"
            self._commit(table, left, batch_id, sequence, metadata, replace)

    def _commit(
        self, table: Any, rows: Any, batch_id: str, sequence: int, metadata: dict[str, str], replace: str | None
    ) -> None:
        self._guard.check(table)
        version = commit(
            self.rows_uri, table, rows, batch_id=batch_id, sequence=sequence, metadata=metadata, replace=replace
        )
        self._guard.advance(version)

    def read_rows(self) -> "pl.DataFrame":
        """All quarantined rows, by batch and row; no rows at all where nothing was quarantined yet."""
        import polars as pl

        table = self._opened.newest()
        if table is None:
            texts = dict.fromkeys(("raw", "uri"), pl.String())
            other = {"rules": pl.List(pl.String), "quarantined_at": pl.Datetime("us", "UTC")}
            return pl.DataFrame(schema={"batch": pl.String(), "row": pl.Int64(), **texts, **other})
        return collect(scan_table(table).sort("batch", "row"), self.rows_uri)

    def keep_file(self, content: Path, batch_id: str, *, name: str) -> str:
        """Keep a copy of a rejected file, durably, and return where.

        Raises:
            TransientError: the store is unreachable.
        """
        target = f"{self.files_uri}/{batch_id[:_SHORT]}_{safe_name(name)}"
        copy_file(content, target)
        return target

    def kept_files(self) -> list[KeptFile]:
        """The rejected files, by batch.

        Raises:
            TransientError: the store is unreachable.
        """
        return [
            KeptFile(file.uri, file.name[:_SHORT], file.name[_SHORT + 1 :], file.modified_at)
            for file in list_files(self.files_uri, ["*"])
            if file.name[_SHORT : _SHORT + 1] == "_"
        ]


def full_batch_id(home: Home, model: Declared, journal: Journal, start: str) -> str:
    """The whole id of a batch with quarantined rows, or with rows that were readmitted.

    Args:
        home: where quarantine is.
        model: whose batch.
        journal: still knows a batch whose rows have all left quarantine.
        start: of its id.

    Raises:
        DataError: there is none, or more than one.
        TransientError: the store or the journal is unreachable.
    """
    rows = Quarantine(home, model).read_rows()
    known = {batch for batch in rows["batch"] if batch.startswith(start)}
    known = known or {one.batch_id for one in journal.batches(model.name) if one.batch_id.startswith(start)}
    if len(known) != 1 or not start:
        found = f"{len(known)} batches start" if known else "no batch starts"
        raise DataError(
            f"{model.name}: {found} with {start!r}; expected the start of one batch's id. See"
            f" ./almanac quarantine list."
        )
    return str(known.pop())


def _stamped(files: Sequence[Path], batch_id: str, uri: str, quarantined_at: datetime) -> Any:
    """The rows of the files as a stream, never all in memory; no Python runs in the threads that read it."""
    import polars as pl

    kept: dict[str, pl.DataType] = {"row": pl.Int64(), "raw": pl.String(), "rules": pl.List(pl.String)}
    rows = pl.scan_parquet(list(files), glob=False) if files else pl.LazyFrame(schema=kept)
    return rows.select(
        pl.lit(batch_id).alias("batch"),
        *(pl.col(name).cast(kind) for name, kind in kept.items()),
        pl.lit(uri).alias("uri"),
        pl.lit(quarantined_at).cast(pl.Datetime("us", "UTC")).alias("quarantined_at"),
    ).collect_batches()


def safe_name(name: str) -> str:
    """A name that is harmless in every store, shell and page."""
    return _UNSAFE.sub("_", name)[-100:]
