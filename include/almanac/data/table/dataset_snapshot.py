"""A dataset at one version: what its log says, and its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from almanac.config.sections.dataset import Column
from almanac.data.formats.reader import ROW
from almanac.data.table.data_files import table_location
from almanac.data.table.delta_table import (
    BATCH,
    DELTA_TYPES,
    MONTH,
    UNCHANGED,
    collect,
    commit_id_of,
    open_table,
    scan_table,
)
from almanac.data.table.log_statistics import time_bounds
from almanac.errors import ConfigError, DataError, TransientError

if TYPE_CHECKING:
    import polars as pl

READMITS = "readmits"  # what a commit says that brings rows of an earlier file after all
INTERNAL_COLUMNS = (BATCH, ROW, MONTH)


@dataclass(frozen=True)
class DatasetSnapshot:
    """The dataset at one version. `version` is NO_VERSION, and `table` None, before the first batch.

    Attributes:
        sizes: version -> rows of the batch that it added (None: it added none), as far as somebody has looked.
    """

    version: int
    time_column: str
    table: Any = None
    sizes: dict[int, int | None] = field(default_factory=dict)

    def holds(self, batch_id: str) -> bool:
        """Whether the batch was published at or before this version."""
        return self.table is not None and self.table.transaction_version(batch_id) is not None

    def brought_nothing(self, batch_id: str) -> bool:
        """Whether the log knows the batch as one whose rows were all there already."""
        return self.table is not None and self.table.transaction_version(batch_id) == UNCHANGED

    def commit_id(self) -> str:
        """Tells this version from every other, also from one of the same number in a log that went another way."""
        return "" if self.table is None else commit_id_of(self.table)

    def rows_by_month(self) -> "pl.DataFrame":
        """`_month` and `rows`, from the log alone."""
        import polars as pl

        files = pl.DataFrame(self.table.get_add_actions(flatten=True))
        return files.group_by(pl.col(f"partition.{MONTH}").alias(MONTH)).agg(pl.col("num_records").sum().alias("rows"))

    def batch_sizes(self, versions: int) -> list[int]:
        """The rows of the files that the last versions added. The log's entry of each version is read once.

        Readmitted rows are a few of a file, and a file without a good row adds none: they are left out.
        """
        if self.table is None:
            return []
        wanted = range(max(self.version - versions + 1, 0), self.version + 1)
        unread = [version for version in wanted if version not in self.sizes]
        if unread:
            for commit in self.table.history(self.version - unread[0] + 1):
                rows = 0 if READMITS in commit else int(commit.get("rows", 0))
                self.sizes[int(commit["version"])] = rows or None
        return [size for version in wanted if (size := self.sizes.get(version)) is not None]

    def changed_months(self, since: int) -> frozenset[str] | None:
        """The months (`2021-01`) whose files are not those of an earlier version; None: unknown."""
        if self.table is None or not 0 <= since <= self.version:
            return None
        try:
            before = _files(open_table(table_location(self.table), since))
        except TransientError:  # its log is gone
            return None
        return frozenset(path.partition("/")[0].removeprefix(f"{MONTH}=") for path in before ^ _files(self.table))

    def newest(self) -> datetime | None:
        """The newest event time; None before the first row."""
        bounds = None if self.table is None else time_bounds(self.table, self.time_column)
        return None if bounds is None else bounds[1]

    def new_columns(self, declared: Mapping[str, Column]) -> tuple[str, ...]:
        """Declared columns that the table does not have yet and may be given: its rows hold nothing there.

        Raises:
            ConfigError: the columns differ otherwise: one is gone, of another type, or new and never empty.
        """
        if self.table is None:
            return ()
        wanted = {name: DELTA_TYPES[column.type] for name, column in declared.items()}
        fields = {field.name: str(field.type.type) for field in self.table.schema().fields}
        found = {name: kind for name, kind in fields.items() if name not in INTERNAL_COLUMNS}
        new = tuple(name for name in wanted if name not in found and declared[name].nullable)
        differ = sorted(name for name in {*found, *wanted} - {*new} if found.get(name) != wanted.get(name))
        if differ:
            raise ConfigError(
                f"{table_location(self.table)}: dataset.columns do not fit the table; got {differ} declared as"
                f" {[wanted.get(name) for name in differ]}, expected {[found.get(name) for name in differ]}. Undo the"
                " change of the model's YAML, or rebuild the dataset. A new column needs `nullable: true`, because"
                " existing rows lack it."
            )
        return new

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

        frame = scan_table(self.table)
        unknown = [name for name in columns if name not in frame.collect_schema().names()]
        if unknown:
            raise DataError(
                f"{table_location(self.table)}: no columns {unknown}; it has {frame.collect_schema().names()}"
            )
        if since is not None:
            frame = frame.filter(pl.col(MONTH) >= month_of(since), pl.col(self.time_column) >= since)
        if until is not None:
            frame = frame.filter(pl.col(MONTH) <= month_of(until), pl.col(self.time_column) < until)
        if months is not None:
            frame = frame.filter(pl.col(MONTH).is_in(months))
        # batch and row break ties of time, so that every reader sees one and the same order
        return collect(frame.sort(self.time_column, BATCH, ROW).select(columns), table_location(self.table))


def _files(table: Any) -> frozenset[str]:
    """The files of a version, each below the folder of its month."""
    import polars as pl

    return frozenset(pl.DataFrame(table.get_add_actions(flatten=True))["path"])


def month_of(time: datetime) -> str:
    """The month of a time, as the table's files are partitioned: `2021-01`."""
    return time.astimezone(UTC).strftime("%Y-%m")
