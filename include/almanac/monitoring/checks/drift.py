"""Which columns of a window have drifted away from the reference profile: significantly *and* far enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.monitoring import Drift
from almanac.statistics.comparison import (
    DISTRIBUTION,
    NULLS,
    Comparison,
    compare_nulls,
    compare_numbers,
    compare_shares,
    count_texts,
)
from almanac.statistics.distribution import Mixture, NumberSample, Observed
from almanac.statistics.evidence import UNKNOWN_DEPENDENCE, smallest_seen, weigh
from almanac.statistics.profile import (
    PREDICTED_CLASS,
    PREDICTION,
    NumberProfile,
    ReferenceProfile,
    TextProfile,
    TextSample,
)
from almanac.statistics.profiling import finite_numbers, longest_run
from almanac.statistics.seasons import WHOLE_YEAR, part_names, part_numbers
from almanac.statistics.tasks import task_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_OF_PREDICTIONS = frozenset({PREDICTION, PREDICTED_CLASS})  # an hour that was not scored is no null of the data
_STUCK_RUN_FACTOR = 3
_STUCK_RUN_ROWS = 24
_STUCK_MIN_DISTINCT = 12


class Status(StrEnum):
    """What is said of a column in a window."""

    QUIET = "quiet"
    DRIFTED = "drifted"
    STUCK = "stuck"  # a sensor that repeats one value: to be repaired, never trained on
    INSUFFICIENT = "insufficient"  # too few rows to say anything; never the same as quiet


@dataclass(frozen=True)
class ColumnDrift:
    """One column of one window against its reference.

    Attributes:
        name: the column.
        kind: number or text.
        status: what is said of it.
        rows: values in the window.
        reference_rows: values of the reference of the same parts of the year (effective, when they are weighted).
        figures: name of the measure -> its value; `q_...`: p-values after correction.
        reasons: in words, with figures and limits.
        p_values: name of the test -> its p-value before correction.
        notes: what a person wants to know beside the figures: new and missing categories, a constant.
        large: could not be tested for want of effective rows, and stands so far off that it would be significant in
            the fewest that are enough.
    """

    name: str
    kind: str
    status: Status
    rows: int
    reference_rows: int
    figures: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    p_values: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    large: bool = False


def assess(model: Model, profile: ReferenceProfile, frame: "pl.DataFrame") -> tuple[ColumnDrift, ...]:
    """Compare a window with the profile.

    Args:
        model: declares the limits.
        profile: the reference.
        frame: the window: event time and the profile's columns, ordered by time. A column that is not there (as
            `prediction` before anything was scored) is insufficient.
    """
    weights = part_weights(model, profile, frame)
    limits = model.monitor.drift
    frame = with_predicted_class(model, profile, frame)
    fallback = _usual_design_effect(profile)
    found = []
    for column in profile.columns:
        if column.name not in frame.columns or not weights:
            found.append(ColumnDrift(column.name, column.kind, Status.INSUFFICIENT, 0, 0, reasons=("no values",)))
        elif isinstance(column, NumberProfile):
            found.append(_number(column, frame[column.name], weights, limits, fallback))
        else:
            found.append(_text(column, frame[column.name], weights, limits, fallback))
    return _decide(found, limits)


def with_predicted_class(model: Model, profile: ReferenceProfile, frame: "pl.DataFrame") -> "pl.DataFrame":
    """The frame with one number for each prediction, and the predicted class beside it where there are classes."""
    import polars as pl

    if PREDICTION not in frame.columns:
        return frame
    task, predictions = task_of(model.label), frame[PREDICTION].to_numpy()
    predicted = task.predicted(predictions, profile.threshold)
    frame = frame.with_columns(pl.Series(PREDICTION, task.watched(predictions)))
    return frame if predicted is None else frame.with_columns(predicted)


def reference_of(column: NumberProfile, weights: Mapping[str, float]) -> Mixture | None:
    """The mixture of the window's parts of the year; None when the reference knows nothing of one of them."""
    samples = [column.parts.get(part) for part in weights]
    known = [sample for sample in samples if sample is not None and sample.n > 0]
    return Mixture(known, tuple(weights.values())) if len(known) == len(samples) else None


def shares_of(column: TextProfile, weights: Mapping[str, float]) -> dict[str, float] | None:
    """The share of each category in the mixture of the parts; what is missing to 1 are other texts. None likewise."""
    samples = [column.parts.get(part) for part in weights]
    known = [sample for sample in samples if sample is not None and sample.n > 0]
    if len(known) < len(samples):
        return None
    pairs = list(zip(known, weights.values(), strict=True))
    return {
        category: sum(weight * sample.counts[position] / sample.n for sample, weight in pairs)
        for position, category in enumerate(column.categories)
    }


def part_weights(model: Model, profile: ReferenceProfile, frame: "pl.DataFrame") -> dict[str, float]:
    """Part of the year -> its share of the window's rows; empty when the window is."""
    if not frame.height:
        return {}
    if profile.split == "none":
        return {WHOLE_YEAR: 1.0}
    names = part_names(profile.split)
    counted = part_numbers(frame[model.dataset.time], profile.split).alias("part").value_counts().sort("part")
    return {names[number]: count / frame.height for number, count in counted.iter_rows()}


def _usual_design_effect(profile: ReferenceProfile) -> float | None:
    """Stands in where a column's own could not be measured: the largest of the others, which is cautious."""
    return max((c.design_effect for c in profile.columns if c.design_effect is not None), default=None)


def _number(
    column: NumberProfile, series: "pl.Series", weights: Mapping[str, float], limits: Drift, fallback: float | None
) -> ColumnDrift:
    import numpy as np

    values = finite_numbers(series)
    there = np.isfinite(values)
    sample = Observed.of(values if there.all() else values[there])
    reference = reference_of(column, weights)
    known = 0.0 if reference is None else reference.n
    effect = column.design_effect if column.design_effect is not None else fallback
    drift = ColumnDrift(column.name, column.kind, Status.QUIET, int(sample.n), round(known))
    nulls = Comparison()
    if column.name not in _OF_PREDICTIONS and effect is not None:
        nulls = _null_test(column.parts, weights, series.len() - int(sample.n), series.len(), limits, effect)
    if reference is None or min(sample.n, known) < limits.min_rows:
        return _insufficient(drift, nulls, limits)
    if effect is None:
        return replace(drift, status=Status.INSUFFICIENT, reasons=(UNKNOWN_DEPENDENCE,))
    found = compare_numbers(reference, sample, effect=effect)
    run = longest_run(values)
    figures = {**found.figures, **nulls.figures, "longest_run": float(run)}
    p_values = {**nulls.p_values, **found.p_values}
    drift = replace(drift, figures=figures, p_values=p_values, notes=found.notes, status=_stuck(column, run))
    return _weighed(drift, known / effect, sample.n / effect, limits)


def _stuck(column: NumberProfile, run: int) -> Status:
    """A measured quantity that repeats one value far longer than it ever did. A flag may rest; it is no sensor."""
    usual = max(_STUCK_RUN_ROWS, _STUCK_RUN_FACTOR * column.longest_run)
    measured = len(column.parts[WHOLE_YEAR].x) >= _STUCK_MIN_DISTINCT
    return Status.STUCK if measured and run > usual else Status.QUIET


def _text(
    column: TextProfile, series: "pl.Series", weights: Mapping[str, float], limits: Drift, fallback: float | None
) -> ColumnDrift:
    import numpy as np

    counted = count_texts(series)
    nulls_now = series.null_count()
    n = series.len() - nulls_now
    parts = [column.parts.get(part) for part in weights]
    samples = [part for part in parts if part is not None and part.n > 0]
    complete = len(samples) == len(parts)
    known = 1.0 / sum(w * w / s.n for s, w in zip(samples, weights.values(), strict=True)) if complete else 0.0
    effect = column.design_effect if column.design_effect is not None else fallback
    drift = ColumnDrift(column.name, column.kind, Status.QUIET, n, round(known))
    nulls = Comparison()
    if column.name not in _OF_PREDICTIONS and effect is not None:
        nulls = _null_test(column.parts, weights, nulls_now, series.len(), limits, effect)
    if min(n, known) < limits.min_rows:
        return _insufficient(drift, nulls, limits)
    if effect is None:
        return replace(drift, status=Status.INSUFFICIENT, reasons=(UNKNOWN_DEPENDENCE,))
    shares = np.sum([np.asarray(_shares(s)) * w for s, w in zip(samples, weights.values(), strict=True)], axis=0)
    found = compare_shares(column.categories, shares, counted, n=known, effect=effect)
    p_values = {**nulls.p_values, **found.p_values}
    drift = replace(drift, figures={**found.figures, **nulls.figures}, p_values=p_values, notes=found.notes)
    return _weighed(drift, known / effect, n / effect, limits)


def _shares(sample: TextSample) -> tuple[float, ...]:
    return (*(count / sample.n for count in sample.counts), sample.other / sample.n)


def _null_test(
    parts: Mapping[str, NumberSample] | Mapping[str, TextSample],
    weights: Mapping[str, float],
    nulls: int,
    rows: int,
    limits: Drift,
    effect: float,
) -> Comparison:
    """Compare the shares of nulls; empty when either side has too few rows."""
    pairs = [(parts[part], weight) for part, weight in weights.items() if part in parts]
    known = 1.0 / sum(w * w / (s.n + s.nulls) for s, w in pairs) if len(pairs) == len(weights) else 0.0
    if min(rows, known) < limits.min_rows:
        return Comparison()
    before = sum(w * s.nulls / (s.n + s.nulls) for s, w in pairs)
    return compare_nulls(before, nulls / rows, n=known, m=rows, effect=effect)


def _weighed(drift: ColumnDrift, n: float, m: float, limits: Drift) -> ColumnDrift:
    """What effective rows, n of the reference and m of the window, allow to be said of a comparison."""
    distance = drift.figures.get("ks", drift.figures["total_variation"])
    if DISTRIBUTION not in drift.p_values:
        return drift  # one category then and now: nothing that more rows could say
    weight = weigh(distance, n, m, rows=drift.rows, limits=limits)
    figures = {**drift.figures, "effective_rows": m, "effective_reference_rows": n}
    tests = drift.p_values if weight.testable else {k: p for k, p in drift.p_values.items() if k != DISTRIBUTION}
    drift = replace(drift, figures=figures, p_values=tests)
    if weight.enough or drift.status is Status.STUCK:
        return drift
    why = f"{weight.text} (distance {distance:.2g}, PSI {drift.figures['psi']:.2g})"
    return replace(drift, status=Status.INSUFFICIENT, reasons=(why,), large=weight.large)


def _insufficient(drift: ColumnDrift, nulls: Comparison, limits: Drift) -> ColumnDrift:
    """Too few values to compare; nulls may still be many enough to say that they grew."""
    why = f"{drift.rows} values against {drift.reference_rows} of the reference, at least {limits.min_rows} are needed"
    return replace(drift, status=Status.INSUFFICIENT, reasons=(why,), figures=nulls.figures, p_values=nulls.p_values)


def _decide(columns: Sequence[ColumnDrift], limits: Drift) -> tuple[ColumnDrift, ...]:
    """Correct all tests of the window together, then ask of each column whether it is significant and far enough.

    By Benjamini and Hochberg (1995); valid under the positive dependence that columns of one table have (2001).
    """
    from scipy.stats import false_discovery_control

    tests = [(position, test) for position, column in enumerate(columns) for test in column.p_values]
    p_values = [columns[position].p_values[test] for position, test in tests]
    rates = dict(zip(tests, false_discovery_control(p_values).tolist() if tests else (), strict=True))
    decided = []
    for position, column in enumerate(columns):
        q_values = {test: rates[position, test] for test in column.p_values}
        significant = {test for test, q in q_values.items() if q <= limits.false_discovery_rate}
        figures = {**column.figures, **{f"q_{test}": q for test, q in q_values.items()}}
        if DISTRIBUTION in q_values and "effective_rows" in figures:
            sizes = figures["effective_reference_rows"], figures["effective_rows"]
            figures["smallest_seen"] = smallest_seen(*sizes, limits=limits, tests=len(tests))
        reasons = _reasons(column, limits, q_values, significant)
        status = Status.DRIFTED if reasons and column.status is not Status.STUCK else column.status
        if status is Status.STUCK:
            reasons = (f"{figures['longest_run']:.0f} rows in a row with one value", *reasons)
        large = column.large and status is Status.INSUFFICIENT
        decided.append(replace(column, figures=figures, status=status, reasons=reasons or column.reasons, large=large))
    return tuple(decided)


def _reasons(
    column: ColumnDrift, limits: Drift, q_values: Mapping[str, float], significant: set[str]
) -> tuple[str, ...]:
    checks = (
        (DISTRIBUTION, "ks_displaced", "KS distance", limits.min_ks, "number"),
        (
            DISTRIBUTION,
            "wasserstein_sd",
            "Wasserstein distance in deviations",
            limits.min_wasserstein,
            "number",
        ),
        (DISTRIBUTION, "total_variation", "total variation", limits.min_total_variation, "text"),
        (NULLS, "null_change", "change of the share of nulls", limits.min_null_change, column.kind),
    )
    return tuple(
        f"{words} {column.figures[figure]:.3g}, limit {limit:g} (corrected p = {q_values[test]:.2g})"
        for test, figure, words, limit, kind in checks
        if kind == column.kind and test in significant and column.figures[figure] >= limit
    )
