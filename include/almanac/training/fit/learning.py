"""Fits an estimator in epochs, watches its losses, and stops early.

Source of the rules: Prechelt (1998), "Early Stopping - But When?", in Neural Networks: Tricks of the Trade, LNCS 1524.
"""

import copy
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.expression import columns_of, compile_expression
from almanac.config.sections.learning import FIGURES, Learning
from almanac.training.fit.checkpoints import Checkpoint, CheckpointFolder, TrainingProgress
from almanac.training.fit.epoch import Epoch
from almanac.training.fit.loss import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    Rows = tuple[NDArray[np.float32], NDArray[np.int64]]

_NO_BETTER = 0.01  # than predicting the base rate: by less than a hundredth of its loss
_STEADY = 1e-4  # a smaller change of a loss does not count


@dataclass(frozen=True)
class Curve:
    """The learning curve of an estimator.

    Attributes:
        epochs: in their order.
        kept: the number of the epoch whose estimator is used, from 0.
        rule: the rule that ended it: stuck, diverging, overfitting; empty: none did.
        restored: epochs after which it diverged and was resumed from its best checkpoint with smaller steps.
    """

    epochs: tuple[Epoch, ...]
    kept: int
    rule: str = ""
    restored: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """The early end or the restores in words; empty: there was neither."""
        if not self.rule and self.restored:
            after = ", ".join(str(number + 1) for number in self.restored)
            return f"learning diverged after epoch {after}; it was resumed from its best checkpoint with smaller steps"
        if not self.rule:
            return ""
        last, kept = self.epochs[-1], self.epochs[self.kept]
        return (
            f"learning is {self.rule} after {len(self.epochs)} epochs: loss {last.train_loss:.4f} on the training "
            f"rows, {last.validation_loss:.4f} on the validation rows; epoch {self.kept + 1} is kept "
            f"({kept.train_loss:.4f}, {kept.validation_loss:.4f})"
        )


def fit_by_epochs(
    pipeline: "Pipeline",
    learning: Learning,
    teaching: "Rows",
    measuring: "Rows",
    checkpoints: CheckpointFolder | None = None,
) -> Curve:
    """Fit the pipeline in epochs; at the end its estimator is that of the best epoch.

    Args:
        pipeline: unfitted; its last step has `partial_fit`.
        learning: the number of epochs, and the rules of an early end.
        teaching: values and labels of the training rows.
        measuring: values and labels of the later validation rows.
        checkpoints: from which a killed fit resumes, and a diverging one is restored.

    Raises:
        IntegrityError: the checkpoint to restore is damaged.
    """
    return _Run(pipeline, learning, teaching, measuring, checkpoints).run()


class _Run:
    """One fit. Another process resumes it from `progress` and the fitted pipelines."""

    def __init__(
        self,
        pipeline: "Pipeline",
        learning: Learning,
        teaching: "Rows",
        measuring: "Rows",
        checkpoints: CheckpointFolder | None,
    ) -> None:
        import numpy as np

        self.pipeline, self.learning, self.checkpoints = pipeline, learning, checkpoints
        self.values, self.labels = pipeline[:-1].fit_transform(*teaching), teaching[1]
        self.later, self.later_labels = pipeline[:-1].transform(measuring[0]), measuring[1]
        self.loss = Loss(self.labels)
        self.classes = {} if self.loss.is_number else {"classes": np.union1d(self.labels, self.later_labels)}
        self.estimator, self.best, self.progress = pipeline[-1], pipeline[-1], TrainingProgress()
        self.on_disk: dict[int, Checkpoint] = {}
        if checkpoints is not None:
            self._resume(checkpoints, _fingerprint(pipeline, learning, teaching, measuring))

    def run(self) -> Curve:
        rule = ""
        while not rule and not self._is_over():
            rule = self._epoch()
            if not rule and self.checkpoints and len(self.progress.epochs) % self.checkpoints.every == 0:
                self._save(self.checkpoints)
            if rule == "diverging" and self._goes_back():
                rule = ""
        self._use(self.best)
        if self.checkpoints and self.progress.best >= 0:
            self._save(self.checkpoints, newest=False)
        return Curve(self.progress.epochs, max(self.progress.best, 0), rule, self.progress.restored)

    def _is_over(self) -> bool:
        done, best = len(self.progress.epochs), self.progress.best
        return done >= self.learning.epochs or (best >= 0 and done - 1 - best >= self.learning.patience)

    def _epoch(self) -> str:
        """Run one epoch; return the rule that it breaks, empty: none."""
        try:
            self.estimator.partial_fit(self.values, self.labels, **self.classes)
        except ValueError as error:
            if self.progress.best < 0 or "non-finite" not in str(error):
                raise
            return "diverging"
        train, later = (
            self.loss.of(self.estimator, *rows)
            for rows in ((self.values, self.labels), (self.later, self.later_labels))
        )
        epochs, best = (*self.progress.epochs, Epoch(train, later, _learning_rate(self.estimator))), self.progress.best
        if best < 0 or later < epochs[best].validation_loss:
            best, self.best = len(epochs) - 1, copy.deepcopy(self.estimator)
        self.progress = replace(self.progress, epochs=epochs, best=best)
        if self.checkpoints:
            self.checkpoints.log(epochs)
        broken = broken_rule(self.learning, epochs[self.progress.since :], self.loss.base)
        return broken or broken_limit(self.learning, [_figures(len(epochs), epochs[-1])], self.estimator.get_params())

    def _goes_back(self) -> bool:
        """Restore the best checkpoint; return whether the fit is resumed from it, with smaller steps."""
        declared, progress = self.learning.checkpoints, self.progress
        if declared is None or self.checkpoints is None or progress.best < 0:
            return False
        self._save(self.checkpoints, newest=False)
        self.best = self.on_disk[progress.best].load()[-1]
        if declared.on_diverging == "end" or len(progress.restored) >= declared.max_restores:
            return False
        self.estimator = copy.deepcopy(self.best)
        _slow_down(self.estimator, declared.learning_rate_factor ** (len(progress.restored) + 1))
        last = len(progress.epochs)
        self.progress = replace(progress, since=last, restored=(*progress.restored, last - 1))
        return True

    def _resume(self, checkpoints: CheckpointFolder, fingerprint: str) -> None:
        self.progress, self.on_disk = checkpoints.resume(fingerprint)
        if self.progress.epochs:
            self.estimator = self.on_disk[len(self.progress.epochs) - 1].load()[-1]
            self.best = self.on_disk[self.progress.best].load()[-1]

    def _save(self, checkpoints: CheckpointFolder, *, newest: bool = True) -> None:
        """Save the best epoch, unless it is saved, and the newest one."""
        last, best = len(self.progress.epochs) - 1, self.progress.best
        wanted = {best: self.best, **({last: self.estimator} if newest else {})}
        for number, estimator in sorted(wanted.items()):
            if number not in self.on_disk:
                self._use(estimator)
                self.on_disk[number] = checkpoints.save(self.pipeline, number, self.progress)
        checkpoints.tidy(best)

    def _use(self, estimator: Any) -> None:
        self.pipeline.steps[-1] = (self.pipeline.steps[-1][0], estimator)


def broken_rule(learning: Learning, epochs: Sequence[Epoch], base_loss: float) -> str:
    """The rule that the newest epochs break; empty: none.

    Args:
        learning: the rules.
        epochs: so far.
        base_loss: of predicting the share of label 1, or the mean, for all rows.
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


def broken_limit(learning: Learning, epochs: Sequence[Mapping[str, float]], params: Mapping[str, Any]) -> str:
    """The first declared limit that one of these epochs is beyond, in words; empty: none.

    Args:
        learning: the limits.
        epochs: the figures of each; one that is not there is not beyond a limit.
        params: of the candidate.
    """
    if not learning.limits or not epochs:
        return ""
    import polars as pl

    wanted = (*FIGURES, *learning.metrics)
    fixed = {name: pl.lit(float(value)) for name, value in params.items() if isinstance(value, int | float)}
    rows = pl.DataFrame({name: [one.get(name) for one in epochs] for name in wanted}, dict.fromkeys(wanted, pl.Float64))
    rows = rows.with_columns(**{name: value for name, value in fixed.items() if name not in wanted})
    for name, condition in learning.limits.items():
        needed = [column for column in columns_of(condition) if column not in rows.columns]
        if not needed and rows.select(compile_expression(condition).any()).item():
            return f"beyond the limit {name} ({condition})"
    return ""


def _figures(number: int, epoch: Epoch) -> dict[str, float]:
    known = {"epoch": number, "loss": epoch.train_loss, "validation_loss": epoch.validation_loss}
    return known if epoch.learning_rate is None else known | {"learning_rate": epoch.learning_rate}


def _rises(losses: Sequence[float], times: int) -> bool:
    last = losses[-times - 1 :]
    return len(last) > times and all(b > a + _STEADY for a, b in itertools.pairwise(last))


def _falls(losses: Sequence[float], times: int) -> bool:
    return len(losses) > times and losses[-1] < losses[-times - 1] - _STEADY


def _slow_down(estimator: Any, factor: float) -> None:
    """Reduce the step size: of an MLP's optimiser, or of SGD's schedule."""
    if (optimizer := getattr(estimator, "_optimizer", None)) is not None:
        optimizer.learning_rate *= factor
        optimizer.learning_rate_init *= factor  # Adam computes each rate from it
    elif estimator.learning_rate == "optimal":
        estimator.set_params(learning_rate="constant", eta0=factor / (estimator.alpha * max(estimator.t_, 1.0)))
    else:
        estimator.set_params(eta0=estimator.eta0 * factor)


def _fingerprint(pipeline: "Pipeline", learning: Learning, *parts: "Rows") -> str:
    """A hash of rows, parameters and rules: a checkpoint is resumed only where it is equal."""
    import numpy as np

    digest = hashlib.sha256(f"{pipeline!r} {pipeline.get_params()!r} {learning!r}".encode())
    for values, labels in parts:
        digest.update(np.ascontiguousarray(values).tobytes())
        digest.update(np.ascontiguousarray(labels).tobytes())
    return digest.hexdigest()


def _learning_rate(estimator: Any) -> float | None:
    """The rate of an MLP's optimiser, or of SGD's schedule; None: the schedule has none."""
    optimizer = getattr(estimator, "_optimizer", None)
    if optimizer is not None:
        return float(optimizer.learning_rate)
    kind, first = getattr(estimator, "learning_rate", None), getattr(estimator, "eta0", 0.0)
    if kind == "constant":
        return float(first)
    if kind == "invscaling":
        return float(first / estimator.t_**estimator.power_t)
    return None
