"""The Delta table of a model's predictions: one row per row of the dataset and model version."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.config.home import Home
from include.config.schema import Model
from include.data.delta_table import collect, open_table, own_commit, scan_table, settle_commit

if TYPE_CHECKING:
    import polars as pl

TIME, VERSION, WINDOW, MONTH = "time", "model_version", "_window", "_month"
NO_VERSION = -1


@dataclass(frozen=True)
class PredictionTable:
    """The table at `uri`; it is made by the first `replace`.

    Columns: `time` (UTC, microseconds), the dataset's other key columns, `probability` (of the label 1), `label` (0 or
    1), `model_version`, `dataset_version`, `scored_at`, `_window` (start of the scoring window) and `_month`.

    Raises:
        TransientError: on every method, when the store is away.
    """

    uri: str

    @classmethod
    def of(cls, home: Home, model: Model) -> "PredictionTable":
        """The predictions of a model."""
        return cls(home.predictions_of(model.name))

    def version(self) -> int:
        """The newest version; `NO_VERSION` before the first prediction."""
        table = open_table(self.uri)
        return NO_VERSION if table is None else int(table.version())

    def read(self, model_version: str, *, since: datetime, until: datetime) -> "pl.DataFrame":
        """Predictions of a model version for `[since, until)`, ordered by time; no columns before the first one."""
        import polars as pl

        table = open_table(self.uri)
        if table is None:
            return pl.DataFrame()
        time = pl.col(TIME)
        chosen = (pl.col(VERSION) == model_version) & (time >= since) & (time < until)
        return collect(scan_table(table).filter(chosen).sort(TIME), self.uri)

    def newest(self, model_version: str) -> datetime | None:
        """Event time of the newest prediction of a model version."""
        import polars as pl

        table = open_table(self.uri)
        if table is None:
            return None
        time = pl.scan_delta(table).filter(pl.col(VERSION) == model_version).select(pl.col(TIME).max()).collect().item()
        return time if isinstance(time, datetime) else None

    def counts(self, model_version: str) -> dict[str, int]:
        """Rows of a model version by start of the scoring window (`window_key`)."""
        import polars as pl

        table = open_table(self.uri)
        if table is None:
            return {}
        rows = scan_table(table).filter(pl.col(VERSION) == model_version)
        return dict(collect(rows.group_by(WINDOW).len(), self.uri).iter_rows())

    def replace(
        self, rows: "pl.DataFrame", model_version: str, windows: Collection[datetime], *, metadata: Mapping[str, str]
    ) -> int:
        """Replace what a model version said of these windows by `rows`, as one commit; gives the table's new version.

        Args:
            rows: all columns but the internal ones, of one model version, of no other windows.
            model_version: whose.
            windows: the starts of the windows, at least one.
            metadata: kept with the commit.

        Raises:
            ConcurrentCommitError: somebody else committed meanwhile; nothing was written.
        """
        from deltalake import write_deltalake
        from deltalake.exceptions import DeltaError

        table = open_table(self.uri)
        commit_id, properties = own_commit(metadata)
        before = NO_VERSION if table is None else int(table.version())
        mode: Any = "error" if table is None else "overwrite"
        try:
            write_deltalake(
                self.uri if table is None else table,
                rows,
                mode=mode,
                partition_by=[VERSION, MONTH] if table is None else None,
                predicate=None if table is None else _predicate(model_version, windows),
                commit_properties=properties,
            )
        except (DeltaError, OSError) as error:
            return settle_commit(self.uri, table, commit_id, error)
        return before + 1


def window_key(start: datetime) -> str:
    """How the table writes the start of a window: as text, which every Delta reader compares alike."""
    return start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_windows(rows: "pl.DataFrame", size_us: int) -> "pl.DataFrame":
    """Add the internal columns: start of the scoring window, and its month."""
    import polars as pl

    microseconds = pl.col(TIME).dt.timestamp("us")
    start = (microseconds - microseconds % size_us).cast(pl.Datetime("us", "UTC"))
    return rows.with_columns(
        start.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias(WINDOW), start.dt.strftime("%Y-%m").alias(MONTH)
    )


def _predicate(model_version: str, windows: Collection[datetime]) -> str:
    months = ", ".join(f"'{month}'" for month in sorted({_month(start) for start in windows}))
    starts = ", ".join(f"'{window_key(start)}'" for start in sorted(windows))
    escaped = model_version.replace("'", "''")
    return f"{VERSION} = '{escaped}' AND {MONTH} IN ({months}) AND {WINDOW} IN ({starts})"


def _month(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m")
