"""The gates. Pure functions of figures; each fails closed: what cannot be measured is refused, with the reason."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from include.config.metric import Metric
from include.config.schema import Baseline, Model
from include.training import metrics
from include.training.bootstrap import paired_interval
from include.training.parity import ParityPart, ParityReport
from include.training.segments import segment_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True)
class GateResult:
    """One verdict.

    Attributes:
        name: of the gate, with the metric or the segment in brackets.
        passed: whether the candidate may go on.
        measured: the figure; None when there is none.
        limit: what the figure was held against; None when there was nothing to hold it against.
        reason: the verdict in words, with the figures.
    """

    name: str
    passed: bool
    measured: float | None
    limit: float | None
    reason: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is known about a candidate when it is judged.

    Attributes:
        backtest: `time`, `fold`, `label`, `probability` and one column per naive rule; the last fold is the hold-out.
        parity: of its ONNX graph; None when it was not measured.
        champion: number of the version in production; empty when there is none.
        champion_probabilities: what the champion foretells for the hold-out's rows, [n]; None when it cannot.
        champion_fault: why it cannot, in words.
    """

    backtest: "pl.DataFrame"
    parity: ParityReport | None
    champion: str = ""
    champion_probabilities: "NDArray[np.float64] | None" = None
    champion_fault: str = ""

    @property
    def holdout(self) -> "pl.DataFrame":
        """The rows of the last fold."""
        return self.backtest.filter(self.backtest["fold"] == self.backtest["fold"].max())


Gate = Callable[[Model, Evaluation], list[GateResult]]


def judge(model: Model, evaluation: Evaluation) -> tuple[GateResult, ...]:
    """Apply all gates in their order. The candidate has passed when there are results and every one of them passed."""
    return tuple(result for name, gate in GATES.items() for result in _closed(name, gate, model, evaluation))


def passed(results: tuple[GateResult, ...]) -> bool:
    """Whether the candidate may become challenger."""
    return bool(results) and all(result.passed for result in results)


def absolute(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Each declared metric of the hold-out keeps its limit."""
    results = []
    for metric, limit in model.gates.absolute.items():
        value = _measure(metric, evaluation.holdout, "probability")
        enough = metrics.gain(metric, value, limit) >= 0
        side = "at most" if metric in metrics.LOWER_IS_BETTER else "at least"
        reason = f"{metric} on the hold-out is {value:.4f}, wanted {side} {limit:.4f}"
        results.append(GateResult(f"absolute[{metric}]", enough, value, limit, reason))
    return results


def baselines(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Better than the best naive rule on the hold-out, by the margin."""
    gate = model.gates.baselines
    value = _measure(gate.metric, evaluation.holdout, "probability")
    kind, best = _best_naive(gate.metric, gate.kinds, evaluation.holdout)
    ahead = metrics.gain(gate.metric, value, best)
    limit = best - gate.margin if gate.metric in metrics.LOWER_IS_BETTER else best + gate.margin
    reason = (
        f"{gate.metric} on the hold-out is {value:.4f}, {_side(ahead)} the best naive rule ({kind}, {best:.4f}); "
        f"wanted better by at least {gate.margin:.4f}"
    )
    return [GateResult(f"baselines[{gate.metric}]", ahead >= gate.margin, value, limit, reason)]


def champion(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Not worse than the champion: the lower end of the interval of the difference is not below `-max_loss`."""
    gate = model.gates.champion
    name = f"champion[{gate.metric}]"
    if not evaluation.champion:
        return [GateResult(name, True, None, None, "no champion yet: nothing in production to be worse than")]
    if evaluation.champion_probabilities is None:
        why = evaluation.champion_fault or "no reason was given"
        return [GateResult(name, False, None, None, f"champion {evaluation.champion} cannot be measured: {why}")]
    interval = paired_interval(
        gate.metric,
        evaluation.holdout,
        evaluation.champion_probabilities,
        resamples=gate.resamples,
        confidence=gate.confidence,
        seed=model.train.seed,
    )
    reason = (
        f"{gate.metric} on the hold-out differs from champion {evaluation.champion} by {interval.observed:+.4f}, "
        f"{gate.confidence:.0%} interval {interval.low:+.4f} to {interval.high:+.4f} (better is above 0); "
        f"wanted at least {-gate.max_loss:+.4f} at its lower end"
    )
    return [GateResult(name, interval.low >= -gate.max_loss, interval.low, -gate.max_loss, reason)]


def segments(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """In no segment worse than the best naive rule of that segment."""
    gate = model.gates.segments
    rows = evaluation.holdout if gate.rows == "holdout" else evaluation.backtest
    parts = rows.with_columns(segment_of(gate.by, "time").alias("segment"))
    by_name = {str(name): part for (name,), part in parts.group_by("segment")}
    results = []
    for name in sorted({*by_name, *gate.required}):
        part = by_name.get(name, parts.clear())
        results += _closed(f"segments[{name}]", partial(_segment, name, part), model, evaluation)
    if not any(result.measured is not None for result in results):
        text = f"no {gate.by} has {gate.min_rows} rows: nothing was measured"
        results.append(GateResult("segments", False, None, None, text))
    return results


def parity(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """ONNX and scikit-learn agree on labels and probabilities, on hold-out and boundary rows alike."""
    gate, report = model.gates.parity, evaluation.parity
    if report is None:
        return [GateResult("parity", False, None, None, "parity was not measured")]
    if report.quantile != gate.quantile:
        text = f"parity was measured at quantile {report.quantile}, the limit is for {gate.quantile}"
        return [GateResult("parity", False, None, None, text)]
    return [
        result
        for place, part in (("holdout", report.holdout), ("boundary", report.boundary))
        for result in _parity_part(model, place, part)
    ]


GATES: dict[str, Gate] = {
    "absolute": absolute,
    "baselines": baselines,
    "champion": champion,
    "segments": segments,
    "parity": parity,
}


def _segment(name: str, part: "pl.DataFrame", model: Model, _: Evaluation) -> list[GateResult]:
    gate, title = model.gates.segments, f"segments[{name}]"
    if part.height < gate.min_rows:
        needed = name in gate.required
        text = f"{name} has {part.height} rows in the {gate.rows}, fewer than {gate.min_rows}: "
        text += "it is required" if needed else "not judged, because it is not required"
        return [GateResult(title, not needed, None, None, text)]
    value = _measure(gate.metric, part, "probability")
    kind, best = _best_naive(gate.metric, model.gates.baselines.kinds, part)
    ahead = metrics.gain(gate.metric, value, best)
    limit = best + gate.max_loss if gate.metric in metrics.LOWER_IS_BETTER else best - gate.max_loss
    reason = (
        f"{gate.metric} in {name} ({part.height} rows) is {value:.4f}, {_side(ahead)} the best naive rule "
        f"({kind}, {best:.4f}); wanted no more than {gate.max_loss:.4f} worse"
    )
    return [GateResult(title, ahead >= -gate.max_loss, value, limit, reason)]


def _parity_part(model: Model, place: str, part: ParityPart) -> list[GateResult]:
    gate, some, about = model.gates.parity, part.rows > 0, f"of {part.rows} {place} rows"
    agree, far = part.label_agreement, part.quantile_difference
    enough, near = agree >= gate.min_label_agreement, far <= gate.max_probability_difference
    labels = f"labels {about} agree on {agree:.4%}, wanted at least {gate.min_label_agreement:.4%}"
    probabilities = (
        f"probabilities {about} differ by {far:.2e} at quantile {gate.quantile} (most {part.max_difference:.2e}); "
        f"wanted {gate.max_probability_difference:.2e} or less"
    )
    return [
        GateResult(f"parity[{place} labels]", some and enough, agree, gate.min_label_agreement, labels),
        GateResult(
            f"parity[{place} probabilities]", some and near, far, gate.max_probability_difference, probabilities
        ),
    ]


def _closed(name: str, gate: Gate, model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Run a gate so that whatever goes wrong in it, and silence, refuses."""
    try:
        results = gate(model, evaluation)
    except Exception as error:  # noqa: BLE001 - a gate that cannot be computed has not been passed, whatever the cause
        return [GateResult(name, False, None, None, f"cannot be computed: {type(error).__name__}: {error}")]
    if not results:
        return [GateResult(name, False, None, None, "gave no result")]
    return [_finite(result) for result in results]


def _finite(result: GateResult) -> GateResult:
    figures = (result.measured, result.limit)
    if all(figure is None or math.isfinite(figure) for figure in figures):
        return result
    return GateResult(result.name, False, None, None, f"not a finite figure: {result.reason}")


def _measure(metric: Metric, rows: "pl.DataFrame", column: str) -> float:
    return metrics.measure(metric, rows["label"].to_numpy(), rows[column].to_numpy())


def _best_naive(metric: Metric, kinds: tuple[Baseline, ...], rows: "pl.DataFrame") -> tuple[str, float]:
    values = {kind: _measure(metric, rows, kind) for kind in kinds}
    pick = min if metric in metrics.LOWER_IS_BETTER else max
    best = pick(values, key=lambda kind: values[kind])
    return best, values[best]


def _side(ahead: float) -> str:
    return f"{abs(ahead):.4f} {'better' if ahead >= 0 else 'worse'} than"
