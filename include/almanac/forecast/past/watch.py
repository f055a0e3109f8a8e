"""Watches past forecasts as actual values come: one finding for each fault, however many grains it is about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.forecast.past.accuracy import level_name, past_forecasts, within
from almanac.forecast.results import GRAIN
from almanac.journal.records import RunRef

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from almanac.alerts.notifier import Notifier
    from almanac.forecast.panel import Array

_RESAMPLES, _CONFIDENCE, _SEED = 1000, 0.95, 1
_FEW = 5  # grains: over fewer there is no interval, and the figure alone counts
_NAMED = 5  # grains in a message
_KEY = "forecast"  # of the alert
_WHAT_TO_DO = (
    "Open the report: which grains, and from which date on? If the data are wrong, correct the file and let it land"
    " again. If the world has changed, the next run learns it by itself; until then `almanac forecast adjust`."
)


@dataclass(frozen=True)
class ForecastFinding:
    """One fault of past forecasts, beyond chance."""

    name: str
    text: str


@dataclass(frozen=True)
class Watched:
    """What one look found. `rows`: actual values that were compared, of the newest forecast of each."""

    rows: int
    grains: int
    findings: tuple[ForecastFinding, ...]


def watch_forecasts(model: ForecastModel, home: Home, *, dataset_version: int | None = None) -> Watched:
    """Hold the newest forecast of each grain and time against the actual value.

    Raises:
        DataError: there is no dataset.
        TransientError: the store is unreachable.
    """
    past = past_forecasts(model, home, dataset_version=dataset_version)
    if not len(past):
        return Watched(0, 0, ())
    newest = past.sort("step").unique([GRAIN, "time"], keep="first", maintain_order=True)
    limits = model.forecast.monitor
    if len(newest) < limits.min_values:
        return Watched(len(newest), newest[GRAIN].n_unique(), ())
    return Watched(len(newest), newest[GRAIN].n_unique(), tuple(_findings(model, newest)))


def notify_watched(
    model: ForecastModel, watched: Watched, notifier: "Notifier", *, run: RunRef, link: str, now: datetime
) -> None:
    """One alert while anything is wrong with past forecasts; it ends when nothing is.

    Raises:
        TransientError: the journal is unreachable.
    """
    from almanac.alerts.message import event_message

    if watched.findings:
        message = event_message(
            "performance",
            severity="warning",
            model=model.name,
            subject=f"{model.name}: forecasts are worse than their backtests: "
            + ", ".join(one.name for one in watched.findings),
            words="\n".join(one.text for one in watched.findings),
            what_to_do=_WHAT_TO_DO,
            run=run,
            now=now,
            link=link,
            parts=tuple(f"{one.name}: alarm" for one in watched.findings),
        )
        notifier.open(model.alerts, message, "performance", _KEY, now)
    elif watched.rows >= model.forecast.monitor.min_values:  # too few values neither begin nor end an alert
        notifier.resolve_except(model.alerts, model.name, "performance", [], now)


def _findings(model: ForecastModel, rows: "pl.DataFrame") -> Iterator[ForecastFinding]:
    """Each figure is a ratio of sums over grains; what counts is the end of its interval that speaks for chance."""
    import polars as pl

    limits, wrong = model.forecast.monitor, pl.col("forecast") - pl.col("actual")
    levels = [level for level in model.forecast.intervals if f"lower_{level_name(level)}" in rows.columns]
    sums = rows.group_by(GRAIN).agg(
        rows=pl.len().cast(pl.Float64),
        error=wrong.abs().sum(),
        expected=pl.col("expected").sum(),
        signed=wrong.sum(),
        size=pl.col("actual").abs().sum(),
        **{f"held_{level_name(level)}": within(level_name(level)).sum().cast(pl.Float64) for level in levels},
    )
    sums = sums.sort((pl.col("error") / pl.col("expected")).fill_nan(0.0), GRAIN, descending=[True, False])
    if sums["expected"].sum() > 0:
        low, ratio, _ = _ratio(sums, "error", "expected")
        if low > limits.max_error_ratio:
            worst = ", ".join(sums[GRAIN].head(_NAMED))
            yield ForecastFinding(
                "error",
                f"The error of {len(sums)} grains is {ratio:.2f} of what the backtests expect ({low:.2f} at least),"
                f" limit {limits.max_error_ratio:g}; the most: {worst}",
            )
    low, bias, high = _ratio(sums, "signed", "size")
    if min(abs(low), abs(high)) > limits.max_bias and low * high > 0:
        words = f"{bias:+.1%} beside the actual values ({low:+.1%} to {high:+.1%}), limit {limits.max_bias:.1%}"
        yield ForecastFinding("bias", f"Forecasts lie {words}")
    for level in levels:
        _, held, high = _ratio(sums, f"held_{level_name(level)}", "rows")
        least = level - limits.max_coverage_gap
        if high < least:
            words = f"{held:.1%} of the actual values (at most {high:.1%}), limit {least:.1%}"
            yield ForecastFinding(f"coverage of {level:.0%}", f"Intervals of {level:.0%} held {words}")


def _ratio(sums: "pl.DataFrame", over: str, under: str) -> tuple[float, float, float]:
    """A ratio of sums with its interval over grains: low, itself, high; of few grains, itself three times.

    Values of one grain depend on each other, so grains are drawn, not values.
    """
    import numpy as np

    upper, lower = sums[over].to_numpy(), sums[under].to_numpy()
    total = lower.sum()
    ratio = float(upper.sum() / total) if total else 0.0
    if len(sums) < _FEW or not total:
        return ratio, ratio, ratio
    low, high = np.quantile(_resampled(upper, lower), [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return float(low), ratio, float(high)


def _resampled(upper: "Array", lower: "Array") -> "Sequence[float] | npt.NDArray[np.float64]":
    import numpy as np

    draw = np.random.default_rng(_SEED)
    found = []
    for _ in range(_RESAMPLES):
        chosen = draw.integers(len(upper), size=len(upper))
        found.append(upper[chosen].sum() / max(lower[chosen].sum(), np.finfo(float).tiny))
    return found
