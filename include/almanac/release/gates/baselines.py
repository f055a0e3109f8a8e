"""Comparison with baselines: overall, and in each segment."""

from functools import partial
from typing import TYPE_CHECKING

from almanac.config.grammar.metric import Metric
from almanac.config.schema import Model
from almanac.release.gates.evaluation import Evaluation, GateResult, closed, measure, refuse
from almanac.statistics import metrics
from almanac.statistics.segments import with_segment

if TYPE_CHECKING:
    import polars as pl


def baselines(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Better than the best baseline on the hold-out, by the margin."""
    gate = model.gates.baselines
    value = measure(gate.metric, evaluation.holdout, "answer", threshold=evaluation.threshold)
    name, best = _best_baseline(gate.metric, gate.names, evaluation.holdout)
    ahead = metrics.gain(gate.metric, value, best)
    limit = best - gate.margin if gate.metric in metrics.LOWER_IS_BETTER else best + gate.margin
    reason = (
        f"{gate.metric} on the hold-out is {value:.4f}, {_side(ahead)} the best baseline ({name}, {best:.4f}); "
        f"wanted better by at least {gate.margin:.4f}"
    )
    return [GateResult(f"baselines[{gate.metric}]", ahead >= gate.margin, value, limit, reason, baseline=best)]


def segments(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """In no segment worse than that segment's best baseline, beyond the limit."""
    gate = model.gates.segments
    rows = evaluation.holdout if gate.rows == "holdout" else evaluation.backtest
    parts = with_segment(rows, gate.by)
    by_name = {str(name): part for (name,), part in parts.group_by("segment")}
    results = []
    for name in sorted({*by_name, *gate.required}):
        part = by_name.get(name, parts.clear())
        results += closed(f"segments[{name}]", partial(_segment, name, part), model, evaluation)
    if not any(result.measured is not None for result in results):
        results.append(refuse("segments", f"no {gate.by} has {gate.min_rows} rows: nothing was measured"))
    return results


def _segment(name: str, part: "pl.DataFrame", model: Model, evaluation: Evaluation) -> list[GateResult]:
    gate, title = model.gates.segments, f"segments[{name}]"
    if part.height < gate.min_rows:
        needed = name in gate.required
        text = f"{name} has {part.height} rows in the {gate.rows}, fewer than {gate.min_rows}: "
        text += "it is required" if needed else "not judged, because it is not required"
        return [GateResult(title, not needed, None, None, text)]
    value = measure(gate.metric, part, "answer", threshold=evaluation.threshold)
    baseline, best = _best_baseline(gate.metric, model.gates.baselines.names, part)
    ahead = metrics.gain(gate.metric, value, best)
    limit = best + gate.max_loss if gate.metric in metrics.LOWER_IS_BETTER else best - gate.max_loss
    reason = (
        f"{gate.metric} in {name} ({part.height} rows) is {value:.4f}, {_side(ahead)} the best baseline "
        f"({baseline}, {best:.4f}); wanted no more than {gate.max_loss:.4f} worse"
    )
    return [GateResult(title, ahead >= -gate.max_loss, value, limit, reason)]


def _best_baseline(metric: Metric, names: tuple[str, ...], rows: "pl.DataFrame") -> tuple[str, float]:
    values = {name: measure(metric, rows, name) for name in names}
    pick = min if metric in metrics.LOWER_IS_BETTER else max
    best = pick(values, key=lambda name: values[name])
    return best, values[best]


def _side(ahead: float) -> str:
    return f"{abs(ahead):.4f} {'better' if ahead >= 0 else 'worse'} than"
