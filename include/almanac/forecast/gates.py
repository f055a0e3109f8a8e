"""Whether a version as a whole is good enough to be published: gates over all its grains, and the published version."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.errors import DataError
from almanac.forecast.intervals import coverage_of
from almanac.forecast.published import PublishedTable
from almanac.forecast.results import GRAIN
from almanac.forecast.versions import results_of, set_aside
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef

if TYPE_CHECKING:
    import polars as pl

_RESAMPLES, _CONFIDENCE, _SEED = 1000, 0.95, 1
_FEW = 10  # grains: an interval over fewer says nothing


@dataclass(frozen=True)
class GateOutcome:
    """What one gate measured, and what it says of that."""

    name: str
    passed: bool
    reason: str
    measured: float


def judge_version(
    model: ForecastModel, home: Home, version: str, *, journal: Journal, run: RunRef, now: datetime
) -> Decision:
    """Judge a collected version by the declared gates and record the decision; once for a run.

    Raises:
        DataError: there is no such version.
        TransientError: the store or the journal is not available; no decision is recorded.
    """
    for decision in journal.decisions(model.name, DecisionKind.GATES, subject=version):
        if decision.run.run_id == run.run_id:
            return decision
    results = results_of(model, home, version)
    outcomes = [*_outcomes(model, results), *_withdrawn(journal, model, version)]
    outcomes += _against_published(model, home, version, results)
    accepted = all(one.passed for one in outcomes)
    reasons = tuple(f"{one.name}: {one.reason}" for one in outcomes if accepted or not one.passed)
    figures = {one.name: one.measured for one in outcomes} | {"grains": float(len(results))}
    figures["set_aside"] = float(len(set_aside(model, home, version)))
    decision = Decision(model.name, DecisionKind.GATES, accepted, reasons, now, run, version, figures)
    journal.record_decision(decision)
    return decision


def _outcomes(model: ForecastModel, results: "pl.DataFrame") -> Iterator[GateOutcome]:
    gates = model.forecast.gates
    better = float((results["error"] < results["baseline_error"]).sum()) / len(results)
    share = f"{better:.1%} of the grains are forecast better than by the baseline"
    yield GateOutcome(
        "better", better >= gates.min_better, f"{share}, expected at least {gates.min_better:.1%}", better
    )
    baseline, total = float(results["baseline_absolute_error"].sum()), float(results["absolute_actual"].sum())
    error = float(results["absolute_error"].sum()) / baseline if baseline else 1.0
    words = f"the error of all grains is {error:.3f} of the baseline's"
    yield GateOutcome("error", error <= gates.max_error, f"{words}, expected at most {gates.max_error:g}", error)
    for level, covered in coverage_of(results, model.forecast.intervals).items():
        gap = level - covered
        words = f"{covered:.1%} of the values lie within the intervals of {level:.0%}"
        most = f"expected at least {level - gates.max_coverage_gap:.1%}"
        yield GateOutcome(f"coverage_{level:g}", gap <= gates.max_coverage_gap, f"{words}, {most}", covered)
    bias = float(results["signed_error"].sum()) / total if total else 0.0
    words = f"forecasts lie {bias:+.1%} beside the actual values on average"
    yield GateOutcome("bias", abs(bias) <= gates.max_bias, f"{words}, expected at most {gates.max_bias:.1%}", bias)


def _against_published(
    model: ForecastModel, home: Home, version: str, results: "pl.DataFrame"
) -> Iterator[GateOutcome]:
    published = PublishedTable.of(home, model).version()
    if published is None or published == version:
        return
    try:
        before = results_of(model, home, published)
    except DataError as error:  # a table was deleted, or restored from a snapshot of a former release
        yield GateOutcome("published", True, f"version {published} cannot be compared: {error}", 0.0)
    else:
        yield compare(results, before, published, model.forecast.gates.max_worse)


def _withdrawn(journal: Journal, model: ForecastModel, version: str) -> Iterator[GateOutcome]:
    """A version from which a person has rolled back stays away, however often it is collected again."""
    for decision in journal.decisions(model.name, DecisionKind.ROLLBACK, subject=version):
        why = "; ".join(decision.reasons)
        yield GateOutcome(
            "withdrawn", False, f"it was rolled back at {decision.decided_at:%Y-%m-%d %H:%M} UTC: {why}", 1.0
        )


def compare(ours: "pl.DataFrame", theirs: "pl.DataFrame", published: str, max_worse: float) -> GateOutcome:
    """Hold the backtest errors of the grains of both versions against each other, with an interval over grains.

    Each version's errors are of its own backtests, whose periods differ by the steps that have come since: refused is
    what is worse by more than `max_worse` of the published version's mean error, at the lower end of the interval.
    """
    import numpy as np

    both = ours.join(theirs, on=GRAIN, suffix="_published")
    if len(both) < _FEW:
        return GateOutcome("published", True, f"only {len(both)} grains are in version {published}, too", 0.0)
    before = both["error_published"].to_numpy()
    worse = both["error"].to_numpy() - before
    draws = np.random.default_rng(_SEED).integers(len(both), size=(_RESAMPLES, len(both)))
    low, high = np.quantile(worse[draws].mean(axis=1), [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    limit, change = max_worse * before.mean(), worse.mean()
    words = f"the mean error by grain is {change:+.3f} ({low:+.3f} to {high:+.3f}) against version {published}"
    return GateOutcome("published", bool(low <= limit), f"{words}, expected at most {limit:+.3f}", float(change))
