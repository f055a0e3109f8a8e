"""The Delta table of the forecast that is in use: one row per grain and step ahead, replaced whole by each version."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import CONFIGURATION, open_table, own_commit, settle_commit
from almanac.data.table.table_guard import TableGuard
from almanac.errors import DataError
from almanac.forecast.adjustments import Adjustment, adjustments_of, fingerprint, with_adjustments
from almanac.forecast.intervals import ends_of
from almanac.forecast.results import GRAIN, ORIGIN
from almanac.forecast.series import grain_columns
from almanac.forecast.versions import results_of
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind

if TYPE_CHECKING:
    import polars as pl

    from almanac.forecast.panel import Array
    from almanac.journal.records import RunRef

_VERSION, _ADJUSTED = "forecast_version", "adjustments"  # in a commit's metadata


@dataclass(frozen=True)
class Publication:
    """One version that was published, and when; `adjustments` is the fingerprint of those that were applied."""

    version: str
    at: datetime
    adjustments: str


@dataclass(frozen=True)
class PublishedTable:
    """The table at `uri`.

    Columns: those of the grain, `time` (UTC, microseconds), `step` (ahead, from 1), `forecast`, `lower_80` and
    `upper_80` for each interval, `candidate`, `kept_baseline`, `version`, `adjusted` (the forecast with what people
    have adjusted) and `adjustment` (by which of these; empty: by none).

    Raises:
        TransientError: on every method, when the store is unreachable.
    """

    uri: str
    guard: TableGuard

    @classmethod
    def of(cls, home: Home, model: ForecastModel) -> "PublishedTable":
        """Of a forecast."""
        return cls(home.predictions_of(model.name), TableGuard.of(home, "predictions", model.name))

    def version(self) -> str | None:
        """The version that is published; None: there is none yet."""
        return next((one.version for one in self.publications()), None)

    def publications(self) -> list[Publication]:
        """All that was published, the newest first; a version may be there several times."""
        table = open_table(self.uri)
        commits = [] if table is None else [one for one in table.history() if one.get(_VERSION)]
        return [
            Publication(one[_VERSION], datetime.fromtimestamp(one["timestamp"] / 1000, UTC), one.get(_ADJUSTED, ""))
            for one in commits
        ]

    def replace(self, rows: "pl.DataFrame", version: str, metadata: Mapping[str, str]) -> int:
        """Replace the forecast by that of another version; one commit, whose Delta version is returned.

        Raises:
            ConcurrentCommitError: another version was published at this moment; this one was not.
            DataLossError: the table is behind what is known of it; nothing was written.
        """
        from deltalake import WriterProperties, write_deltalake
        from deltalake.exceptions import DeltaError

        table = open_table(self.uri)
        self.guard.check(table)
        commit_id, properties = own_commit({**metadata, _VERSION: version})
        again: dict[str, Any] = {} if table is None else {"mode": "overwrite", "schema_mode": "overwrite"}
        try:
            write_deltalake(
                self.uri if table is None else table,
                rows,
                configuration=CONFIGURATION if table is None else None,
                commit_properties=properties,
                writer_properties=WriterProperties(compression="ZSTD"),
                **again,
            )
        except (DeltaError, OSError) as error:
            committed = settle_commit(self.uri, table, commit_id, error)
        else:
            committed = 0 if table is None else int(table.version())
        self.guard.advance(committed)
        return committed


def publish_version(
    model: ForecastModel,
    home: Home,
    version: str,
    metadata: Mapping[str, str],
    adjustments: Sequence[Adjustment] = (),
) -> dict[str, Any] | None:
    """Publish a version; None: it is published already, with the same adjustments.

    Args:
        model: whose forecast.
        home: where it is.
        version: that was collected.
        metadata: kept with the commit.
        adjustments: those that are active.

    Raises:
        DataError: there is no such version.
        TransientError: the store is unreachable, or another version was published at this moment.
    """
    table, adjusted = PublishedTable.of(home, model), fingerprint(adjustments)
    newest = next(iter(table.publications()), None)
    if newest is not None and (newest.version, newest.adjustments) == (version, adjusted):
        return None
    results = results_of(model, home, version)
    rows = published_rows(model, results, version)
    grains = [grain for grain, steps in results.select(GRAIN, "forecast").iter_rows() for _ in steps]
    rows = with_adjustments(rows, grains, adjustments)
    committed = table.replace(rows, version, {**metadata, **({_ADJUSTED: adjusted} if adjusted else {})})
    return {"version": version, "rows": len(rows), "predictions_version": committed}


def roll_back(
    model: ForecastModel, home: Home, version: str, reason: str, *, journal: Journal, run: "RunRef", now: datetime
) -> dict[str, Any]:
    """Publish an earlier version again. The one that leaves is not published again by any later run.

    Raises:
        DataError: there is no such version, or it is the published one.
    """
    leaving = PublishedTable.of(home, model).version()
    if leaving is None or leaving == version:
        raise DataError(
            f"{model.name}: cannot roll back to {version!r}: published is {leaving!r}, expected another one"
        )
    results_of(model, home, version)  # whether it can be published is known before anything is recorded
    journal.record_decision(Decision(model.name, DecisionKind.ROLLBACK, True, (reason,), now, run, leaving))
    active = [one for one in adjustments_of(journal, model.name) if one.is_active(now)]
    done = publish_version(model, home, version, {"run_id": run.run_id, "rolled_back_from": leaving}, active)
    return done or {"version": version}


def published_rows(model: ForecastModel, results: "pl.DataFrame", version: str) -> "pl.DataFrame":
    """The rows of a version: for each grain all steps ahead."""
    import polars as pl

    steps = results["forecast"].list.len()
    flat = results.select(
        pl.col("forecast"), step=pl.int_ranges(1, steps + 1), candidate="candidate", kept_baseline="kept_baseline"
    ).with_columns(
        pl.Series(f"{side}_{level * 100:g}".replace(".", "_"), [end.tolist() for end in ends], pl.List(pl.Float64))
        for level, both in _ends(model, results).items()
        for side, ends in zip(("lower", "upper"), both, strict=True)
    )
    lists = [name for name, dtype in flat.schema.items() if dtype == pl.List]
    columns = grain_columns(model, results[GRAIN].to_list())
    origin = results[ORIGIN].str.to_datetime(time_unit="us", time_zone="UTC")
    step_us = model.dataset.step // timedelta(microseconds=1)
    rows = pl.concat([columns, flat, pl.DataFrame({"_origin": origin})], how="horizontal").explode(lists)
    return rows.select(
        *columns.columns,
        time=pl.col("_origin") + pl.duration(microseconds=step_us * pl.col("step")),
        step="step",
        **{name: name for name in lists if name != "step"},
        candidate="candidate",
        kept_baseline="kept_baseline",
        version=pl.lit(version),
    )


def _ends(model: ForecastModel, results: "pl.DataFrame") -> "Mapping[float, tuple[list[Array], list[Array]]]":
    """Interval -> lower and upper ends of each row; of a version of a former release, the ends that it has kept."""
    import numpy as np

    if "scores" in results.columns and not results["scores"].null_count():
        limits = model.forecast.limits
        low = float("-inf") if limits.min is None else limits.min
        high = float("inf") if limits.max is None else limits.max
        return ends_of(results, model.forecast.intervals, low, high)
    kept = [json.loads(text) for text in results["intervals"]]
    return {
        float(level): ([np.array(each[level][0]) for each in kept], [np.array(each[level][1]) for each in kept])
        for level in (kept[0] if kept else ())
    }
