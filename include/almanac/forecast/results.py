"""The Delta table of results: one row per key, committed chunk by chunk, each exactly once."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import ConcurrentCommitError, collect, commit, open_table, scan_table
from almanac.forecast.choice import GrainForecast

if TYPE_CHECKING:
    import polars as pl

ORIGIN, KEY, GRAIN = "origin", "key", "grain"
_COMPUTED = 1  # version of an application transaction
_ATTEMPTS = 30  # as many tasks may commit at the same moment


@dataclass(frozen=True)
class ResultTable:
    """The table at `uri`, partitioned by the time of the newest rows; it is made by the first `add`.

    Raises:
        TransientError: on every method, when the store is unreachable.
    """

    uri: str

    @classmethod
    def of(cls, home: Home, model: ForecastModel) -> "ResultTable":
        """Of a forecast."""
        return cls(home.forecast_results_of(model.name))

    def keys(self, origin: str) -> frozenset[str]:
        """The keys of the results of one period."""
        import polars as pl

        table = open_table(self.uri)
        if table is None:
            return frozenset()
        rows = scan_table(table).filter(pl.col(ORIGIN) == origin).select(KEY)
        return frozenset(collect(rows, self.uri)[KEY].to_list())

    def read(self, origin: str, keys: Collection[str]) -> "pl.DataFrame":
        """Results by their keys, sorted by grain; no columns before the first one."""
        import polars as pl

        table = open_table(self.uri)
        if table is None:
            return pl.DataFrame()
        rows = scan_table(table).filter(pl.col(ORIGIN) == origin)
        wanted = pl.LazyFrame({KEY: sorted(keys)}, schema={KEY: pl.String})
        return collect(rows.join(wanted, on=KEY, how="semi"), self.uri).sort(GRAIN)

    @retry(
        retry=retry_if_exception_type(ConcurrentCommitError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random(0, 0.5),
        reraise=True,
    )
    def add(self, rows: "pl.DataFrame") -> int:
        """Commit the rows of one origin whose keys are not there yet; give how many.

        Raises:
            ConcurrentCommitError: other tasks kept committing.
        """
        import polars as pl

        table = open_table(self.uri)
        known = self.keys(rows[ORIGIN][0])
        new = rows.filter(~pl.col(KEY).is_in(sorted(known)))
        if not len(new):
            return 0
        chunk = sha256("\n".join(new[KEY].to_list()).encode()).hexdigest()
        commit(
            self.uri,
            table,
            new,
            batch_id=chunk,
            sequence=_COMPUTED,
            metadata={"chunk": chunk},
            partition_by=[ORIGIN],
            new_columns=True,
        )
        return len(new)


def result_rows(origin: str, keys: "list[str]", grains: "list[str]", found: "list[GrainForecast]") -> "pl.DataFrame":
    """Results as rows. They hold no time of the clock and no name of a run: the same work gives the same bytes.

    `absolute_error` and `signed_error` are of held-out backtests; `error` is the one by which the candidate was chosen.
    `held_out` is of shape (origins, horizon), row by row.
    Rows of former releases have `intervals` and `covered` instead of what begins with `origins`.
    """
    import polars as pl

    return pl.DataFrame(
        {
            ORIGIN: [origin] * len(found),
            KEY: keys,
            GRAIN: grains,
            "candidate": [one.candidate for one in found],
            "members": [list(one.members) for one in found],
            "kept_baseline": [one.kept_baseline for one in found],
            "error": [one.error for one in found],
            "baseline_error": [one.baseline_error for one in found],
            "errors": [json.dumps(one.errors) for one in found],
            "failures": [json.dumps(one.failures) for one in found],
            "forecast": [one.forecast.tolist() for one in found],
            "absolute_error": [float(abs(one.held_out).sum()) for one in found],
            "baseline_absolute_error": [one.baseline_absolute for one in found],
            "signed_error": [float(one.held_out.sum()) for one in found],
            "absolute_actual": [one.total for one in found],
            "origins": [len(one.held_out) for one in found],
            "scores": [one.scores.ravel().tolist() for one in found],
            "scale": [one.scale.tolist() for one in found],
            "step_errors": [abs(one.held_out).mean(axis=0).tolist() for one in found],
            "autocorrelation": [one.autocorrelation for one in found],
            "left_out": [json.dumps(one.left_out) for one in found],
            "held_out": [one.held_out.ravel().tolist() for one in found],
            "parameters": [json.dumps(one.parameters) for one in found],
            "trend_strength": [one.traits.trend_strength for one in found],
            "seasonal_strength": [json.dumps(one.traits.seasonal_strength) for one in found],
            "growth": [one.traits.growth for one in found],
        },
        schema_overrides={
            "members": pl.List(pl.String),
            **dict.fromkeys(("forecast", "scores", "scale", "step_errors", "held_out"), pl.List(pl.Float64)),
        },
    )
