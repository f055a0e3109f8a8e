"""Chooses the probability from which on the label is 1: on validation folds, never on the hold-out."""

from typing import TYPE_CHECKING

from almanac.config.grammar.threshold import ThresholdRule
from almanac.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.float64]


def choose_threshold(rule: ThresholdRule, labels: "NDArray[np.int8]", probabilities: "NDArray[np.float64]") -> float:
    """The threshold by the rule, on these rows.

    It lies halfway between two predicted probabilities, so that no float32 rounding error moves a row
    across it. Of equally good thresholds the highest is taken; of those that keep a recall the highest, of those that
    keep a precision the lowest.

    Args:
        rule: from `train.threshold`.
        labels: 0 or 1, [n].
        probabilities: of the label 1, [n].

    Raises:
        DataError: the labels are of one class, or no threshold keeps the floor.
    """
    import numpy as np

    if rule.fixed is not None:
        return rule.fixed
    if len(np.unique(labels)) < 2:
        raise DataError(f"no threshold: all {len(labels)} labels of the validation folds are {labels[:1]}")
    order = np.argsort(-probabilities, kind="stable")
    sorted_, ones = probabilities[order], labels[order] == 1
    last = np.flatnonzero(np.append(np.diff(sorted_) < 0, True))
    hits = np.cumsum(ones)[last].astype(np.float64)
    positives: Counts = (last + 1).astype(np.float64)
    figures = _figures(rule, hits, positives, float(ones.sum()), float(len(labels)))
    if rule.best is not None:
        chosen = int(np.argmax(figures))
    else:
        kept = np.flatnonzero(figures >= rule.least)
        if not len(kept):
            raise DataError(
                f"no threshold has {rule.floor} >= {rule.least} on {len(labels)} rows of the validation folds; the "
                f"best is {figures.max():.4f}. Lower the floor in train.threshold"
            )
        chosen = int(kept[0] if rule.floor == "recall" else kept[-1])
    values = sorted_[last]
    below = values[chosen + 1] if chosen + 1 < len(values) else 0.0
    return float((values[chosen] + below) / 2)


def _figures(rule: ThresholdRule, hits: "Counts", positives: "Counts", ones: float, total: float) -> "Counts":
    """The rule's metric for each threshold: `positives` rows are predicted as 1, `hits` of them rightly."""
    zeros, zero_hits = total - ones, total - positives - (ones - hits)
    f1: Counts = 2 * hits / (positives + ones)
    if rule.best == "f1":
        return f1
    if rule.best == "f1_macro":
        macro: Counts = (f1 + 2 * zero_hits / (total - positives + zeros)) / 2
        return macro
    recall: Counts = hits / ones
    if rule.floor == "recall":
        return recall
    if rule.floor == "precision":
        precision: Counts = hits / positives
        return precision
    balanced: Counts = (recall + zero_hits / zeros) / 2
    return balanced
