"""Calibration, and overfitting."""

from almanac.config.grammar.label_kind import CLASSES, NUMBER
from almanac.config.schema import Model
from almanac.release.gates.evaluation import Evaluation, GateResult, measure, refuse
from almanac.release.gates.numbers import bias, interval
from almanac.statistics import metrics
from almanac.statistics.calibration import calibration_of
from almanac.statistics.class_metrics import top_label


def calibration(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Probabilities on the hold-out are near the observed shares of label 1; numbers are near the true ones.

    Of several classes: the probability of the predicted class is near the share of rows on which it is right.
    """
    gate, rows = model.gates.calibration, evaluation.holdout
    if rows.height < gate.min_rows:
        return [refuse("calibration", f"the hold-out has {rows.height} rows, fewer than {gate.min_rows}")]
    if model.label.kind is NUMBER:
        return [bias(gate, evaluation), interval(gate, evaluation)]
    labels, predictions = rows["label"].to_numpy(), rows["answer"].to_numpy()
    pair = top_label(labels, predictions) if model.label.kind is CLASSES else (labels, predictions)
    found = calibration_of(*pair, bins=gate.bins)
    results = [
        GateResult(
            "calibration[ece]",
            found.ece <= gate.max_ece,
            found.ece,
            gate.max_ece,
            f"probabilities on the hold-out are off by {found.ece:.4f} on average, wanted at most {gate.max_ece:.4f}",
        )
    ]
    if gate.max_brier is not None:
        brier = measure("brier", rows, "answer")
        reason = f"Brier score on the hold-out is {brier:.4f}, wanted at most {gate.max_brier:.4f}"
        results.append(GateResult("calibration[brier]", brier <= gate.max_brier, brier, gate.max_brier, reason))
    return results


def gap(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Not much better on its own training rows than on the hold-out: no overfitting."""
    gate = model.gates.gap
    name = f"gap[{gate.metric}]"
    if gate.metric not in evaluation.train_metrics:
        return [refuse(name, f"{gate.metric} on the training rows was not measured")]
    known, new = (
        evaluation.train_metrics[gate.metric],
        measure(gate.metric, evaluation.holdout, "answer", threshold=evaluation.threshold),
    )
    lost = metrics.gain(gate.metric, known, new)
    reason = (
        f"{gate.metric} is {known:.4f} on the training rows and {new:.4f} on the hold-out, a gap of {lost:+.4f}; "
        f"wanted at most {gate.max_gap:.4f}"
    )
    return [GateResult(name, lost <= gate.max_gap, lost, gate.max_gap, reason)]
