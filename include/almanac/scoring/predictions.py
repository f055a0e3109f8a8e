"""The Delta table of a model's predictions: one row per row of the dataset and model version."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.delta_table import collect, open_table, own_commit, scan_table, settle_commit
from almanac.data.table.log_statistics import pairs_of, time_bounds
from almanac.data.table.table_guard import TableGuard

if TYPE_CHECKING:
    import polars as pl

TIME, VERSION, WINDOW, DAY, CONTENT = "time", "model_version", "_window", "_day", "_content"
NO_VERSION = -1
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class PredictionTable:
    """The table at `uri`, partitioned by day and model version; it is made by the first `replace`.

    Columns: `id` (see `prediction_id`), `time` (UTC, microseconds), the dataset's other key columns, `probability` (of
    the label 1) and `label` (0 or 1), or `prediction` (a number), or, of several classes, `label` (the likeliest one),
    `probability` (of it) and `probability_<class>` for each, null where an input was missing that must not be,
    `missing` (the features without a value, null: none), `features_hash` (see `fingerprint`), `latency_us` (of features
    and graph, per row of its chunk), `model_version`, `dataset_version`, `scored_at`, `_window` (start of the scoring
    window), `_content` (what the window's predictions were made of) and `_day`.

    Raises:
        TransientError: on every method, when the store is unreachable.
    """

    uri: str
    guard: TableGuard | None = None

    @classmethod
    def of(cls, home: Home, model: Model) -> "PredictionTable":
        """The published predictions of a model: those of champions."""
        return cls(home.predictions_of(model.name), TableGuard.of(home, "predictions", model.name))

    @classmethod
    def shadow_of(cls, home: Home, model: Model) -> "PredictionTable":
        """Predictions of versions in shadow; nobody acts on them."""
        return cls(home.shadow_predictions_of(model.name), TableGuard.of(home, "shadow", model.name))

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
        day, time = pl.col(DAY), pl.col(TIME)
        chosen = (pl.col(VERSION) == model_version) & (day >= _day(since)) & (day <= _day(until))
        return collect(scan_table(table).filter(chosen, time >= since, time < until).sort(TIME), self.uri)

    def newest(self, model_version: str) -> datetime | None:
        """Event time of the newest prediction of a model version."""
        table = open_table(self.uri)
        bounds = None if table is None else time_bounds(table, TIME, **{VERSION: model_version})
        return None if bounds is None else bounds[1]

    def contents(self, model_version: str) -> dict[str, str]:
        """What each scored window of a model version was made of, by its start (`window_key`)."""
        table = open_table(self.uri)
        return {} if table is None else pairs_of(table, WINDOW, CONTENT, **{VERSION: model_version})

    def replace(
        self, rows: "pl.DataFrame", model_version: str, since: datetime, until: datetime, *, metadata: Mapping[str, str]
    ) -> int:
        """Replace what a model version said of the windows of `[since, until)`; one commit. Gives its version.

        Args:
            rows: all columns, of one model version, of no other windows.
            model_version: whose.
            since: start of the first window.
            until: end of the last window.
            metadata: kept with the commit.

        Raises:
            ConcurrentCommitError: another writer committed meanwhile; nothing was written.
            DataLossError: the table is behind what is known of it; nothing was written.
        """
        table = open_table(self.uri)
        if self.guard is not None:
            self.guard.check(table)
        version = self._write(table, rows, _predicate(model_version, since, until), metadata)
        if self.guard is not None:
            self.guard.advance(version)
        return version

    def _write(self, table: Any, rows: "pl.DataFrame", predicate: str, metadata: Mapping[str, str]) -> int:
        from deltalake import WriterProperties, write_deltalake
        from deltalake.exceptions import DeltaError

        commit_id, properties = own_commit(metadata)
        before = NO_VERSION if table is None else int(table.version())
        mode: Any = "error" if table is None else "overwrite"
        try:
            write_deltalake(
                self.uri if table is None else table,
                rows,
                mode=mode,
                schema_mode="merge" if table is not None and _has_others(table, rows) else None,
                partition_by=[DAY, VERSION] if table is None else None,
                predicate=None if table is None else predicate,
                commit_properties=properties,
                writer_properties=WriterProperties(compression="ZSTD"),
            )
        except (DeltaError, OSError) as error:
            return settle_commit(self.uri, table, commit_id, error)
        return before + 1


def _has_others(table: Any, rows: "pl.DataFrame") -> bool:
    """Whether the columns differ from those of the table: a declaration may add a class, or leave one out."""
    return {field.name for field in table.schema().fields} != set(rows.columns)


def window_key(start: datetime) -> str:
    """How the table writes the start of a window: as text, which every Delta reader compares alike."""
    return start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_windows(rows: "pl.DataFrame", size: timedelta, contents: Mapping[datetime, str]) -> "pl.DataFrame":
    """Add the internal columns: start of the scoring window, what it was made of, and the day."""
    import polars as pl

    microseconds, size_us = pl.col(TIME).dt.timestamp("us"), size // timedelta(microseconds=1)
    start = (microseconds - microseconds % size_us).cast(pl.Datetime("us", "UTC"))
    windows = pl.DataFrame(
        {"_start": list(contents), WINDOW: [window_key(one) for one in contents], CONTENT: list(contents.values())},
        schema={"_start": pl.Datetime("us", "UTC"), WINDOW: pl.String, CONTENT: pl.String},
    )
    joined = rows.with_columns(start.alias("_start")).join(windows, on="_start", how="left", maintain_order="left")
    return joined.drop("_start").with_columns(pl.col(TIME).dt.date().cast(pl.String).alias(DAY))


def _predicate(model_version: str, since: datetime, until: datetime) -> str:
    """The rows that are replaced; by partitions alone where windows are whole days, which opens no file."""
    escaped = model_version.replace("'", "''")
    last = _day(until - timedelta(microseconds=1))
    chosen = f"{VERSION} = '{escaped}' AND {DAY} >= '{_day(since)}' AND {DAY} <= '{last}'"
    if _on_midnight(since) and _on_midnight(until):
        return chosen
    return f"{chosen} AND {WINDOW} >= '{window_key(since)}' AND {WINDOW} < '{window_key(until)}'"


def _on_midnight(time: datetime) -> bool:
    return (time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) % _ONE_DAY == timedelta(0)


def _day(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d")
