"""Watches an estimator learn, epoch by epoch, and ends what leads nowhere.

Source of the rules: Prechelt (1998), "Early Stopping - But When?", in Neural Networks: Tricks of the Trade, LNCS 1524.
"""

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.config.learning import Learning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    Rows = tuple[NDArray[np.float32], NDArray[np.int64]]

_NO_BETTER = 0.01  # than always saying the base rate: less than a hundredth of its loss
_STEADY = 1e-4  # a loss that moves by less has not moved


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows: log loss on them and on those that measure; the learning rate where known."""

    train_loss: float
    validation_loss: float
    learning_rate: float | None = None


@dataclass(frozen=True)
class Curve:
    """How an estimator learnt.

    Attributes:
        epochs: in their order.
        kept: the number of the epoch that is used, from 0.
        rule: which rule ended it: stuck, diverging, overfitting; empty: none did.
    """

    epochs: tuple[Epoch, ...]
    kept: int
    rule: str = ""

    @property
    def words(self) -> str:
        """What a person should know; empty when no rule ended it."""
        if not self.rule:
            return ""
        last, kept = self.epochs[-1], self.epochs[self.kept]
        return (
            f"learning is {self.rule} after {len(self.epochs)} epochs: log loss {last.train_loss:.4f} on the training "
            f"rows, {last.validation_loss:.4f} on those that measure; epoch {self.kept + 1} is kept "
            f"({kept.train_loss:.4f}, {kept.validation_loss:.4f})"
        )


def learn(pipeline: "Pipeline", learning: Learning, teaching: "Rows", measuring: "Rows") -> Curve:
    """Fit the pipeline in epochs; afterwards its estimator is that of the best epoch.

    Args:
        pipeline: unfitted; its last step has `partial_fit`.
        learning: for how long, and what ends it.
        teaching: values and labels to learn from.
        measuring: those of later rows, that end it and teach nothing.
    """
    import numpy as np

    values, labels = pipeline[:-1].fit_transform(teaching[0]), teaching[1]
    later = pipeline[:-1].transform(measuring[0])
    classes, base = np.unique(labels), _base_loss(labels)
    estimator, epochs, best, rule = pipeline[-1], [], None, ""
    for _ in range(learning.epochs):
        try:
            estimator.partial_fit(values, labels, classes=classes)
        except ValueError as error:
            if best is None or "non-finite" not in str(error):
                raise
            rule = "diverging"
            break
        epochs.append(
            Epoch(_loss(estimator, values, labels), _loss(estimator, later, measuring[1]), _learning_rate(estimator))
        )
        if best is None or epochs[-1].validation_loss < epochs[best[0]].validation_loss:
            best = (len(epochs) - 1, copy.deepcopy(estimator))
        rule = broken_rule(learning, epochs, base)
        if rule or len(epochs) - 1 - best[0] >= learning.patience:
            break
    if best is not None:
        pipeline.steps[-1] = (pipeline.steps[-1][0], best[1])
    return Curve(tuple(epochs), best[0] if best else 0, rule)


def broken_rule(learning: Learning, epochs: Sequence[Epoch], base_loss: float) -> str:
    """The rule that the newest epochs break; empty: none.

    Args:
        learning: the rules.
        epochs: so far.
        base_loss: of always saying the share of ones.
    """
    train = [epoch.train_loss for epoch in epochs]
    later = [epoch.validation_loss for epoch in epochs]
    if learning.diverging and (not math.isfinite(train[-1]) or _rises(train, learning.diverging)):
        return "diverging"
    if learning.stuck and len(train) >= learning.stuck and min(train) > base_loss * (1 - _NO_BETTER):
        return "stuck"
    if learning.overfitting and _rises(later, learning.overfitting) and _falls(train, learning.overfitting):
        return "overfitting"
    return ""


def _rises(losses: Sequence[float], times: int) -> bool:
    last = losses[-times - 1 :]
    return len(last) > times and all(b > a + _STEADY for a, b in itertools.pairwise(last))


def _falls(losses: Sequence[float], times: int) -> bool:
    return len(losses) > times and losses[-1] < losses[-times - 1] - _STEADY


def _base_loss(labels: "NDArray[np.int64]") -> float:
    share = float(labels.mean())
    return -sum(part * math.log(part) for part in (share, 1 - share) if part > 0)


def _loss(estimator: Any, values: "NDArray[np.float64]", labels: "NDArray[np.int64]") -> float:
    """The log loss, clipped so far from certainty that one wrong row does not hide all others; inf when undefined."""
    import numpy as np

    said = estimator.predict_proba(values)[:, 1]
    if not np.isfinite(said).all():
        return math.inf
    right = np.clip(np.where(labels == 1, said, 1 - said), 1e-7, 1.0)
    return float(-np.log(right).mean())


def _learning_rate(estimator: Any) -> float | None:
    """Of the optimiser of an MLP, or by the schedule of SGD; None where the schedule does not tell."""
    optimizer = getattr(estimator, "_optimizer", None)
    if optimizer is not None:
        return float(optimizer.learning_rate)
    kind, first = getattr(estimator, "learning_rate", None), getattr(estimator, "eta0", 0.0)
    if kind == "constant":
        return float(first)
    if kind == "invscaling":
        return float(first / estimator.t_**estimator.power_t)
    return None
