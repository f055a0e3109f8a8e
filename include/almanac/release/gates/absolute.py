"""Absolute limits of metrics."""

from almanac.config.schema import Model
from almanac.release.gates.evaluation import Evaluation, GateResult, measure
from almanac.statistics import metrics


def absolute(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Each declared metric keeps its limit on the hold-out."""
    results = []
    for metric, limit in model.gates.absolute.items():
        value = measure(metric, evaluation.holdout, "answer", threshold=evaluation.threshold)
        enough = metrics.gain(metric, value, limit) >= 0
        side = "at most" if metric in metrics.LOWER_IS_BETTER else "at least"
        reason = f"{metric} on the hold-out is {value:.4f}, wanted {side} {limit:.4f}"
        results.append(GateResult(f"absolute[{metric}]", enough, value, limit, reason))
    return results
