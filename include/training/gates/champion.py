"""What is in production: the candidate must not be worse, and where it is very different, a person is asked."""

from typing import TYPE_CHECKING

from include.config.schema import Model
from include.training.bootstrap import paired_interval
from include.training.gates.evaluation import Evaluation, GateResult, refuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_CHAMPION = "no champion yet: nothing in production to be"


def champion(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Not worse than the champion: the lower end of the interval of the difference is not below `-max_loss`."""
    gate = model.gates.champion
    name = f"champion[{gate.metric}]"
    if not evaluation.champion:
        return [GateResult(name, True, None, None, f"{_NO_CHAMPION} worse than")]
    if evaluation.champion_answers is None:
        return [refuse(name, _unmeasured(evaluation))]
    interval = paired_interval(
        gate.metric,
        evaluation.holdout,
        evaluation.champion_answers,
        resamples=gate.resamples,
        confidence=gate.confidence,
        seed=model.train.seed,
        thresholds=(evaluation.threshold, evaluation.champion_threshold),
    )
    reason = (
        f"{gate.metric} on the hold-out differs from champion {evaluation.champion} by {interval.observed:+.4f}, "
        f"{gate.confidence:.0%} interval {interval.low:+.4f} to {interval.high:+.4f} (better is above 0); "
        f"wanted at least {-gate.max_loss:+.4f} at its lower end"
    )
    return [GateResult(name, interval.low >= -gate.max_loss, interval.low, -gate.max_loss, reason)]


def variation(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """The share of the hold-out's rows that would get another label; above the limit it passes, and asks a person.

    A candidate can be as good as the champion in every figure and still decide otherwise on every fifth row. Whoever
    acts upon the predictions must hear of that before it happens.
    """
    name, limit = "variation", model.gates.variation.ask_above
    if not evaluation.champion:
        return [GateResult(name, True, None, None, f"{_NO_CHAMPION} different from")]
    if evaluation.champion_answers is None:
        return [refuse(name, _unmeasured(evaluation))]
    changed = _changed_numbers(model, evaluation) if model.label.is_number else _changed_labels(evaluation)
    share = float(changed.mean())
    what = "a number that is far from that of" if model.label.is_number else "another label than from"
    reason = (
        f"{share:.2%} of {len(changed)} rows of the hold-out get {what} champion "
        f"{evaluation.champion}; above {limit:.2%} a person decides"
    )
    return [GateResult(name, True, share, limit, reason, ask=share > limit)]


def _changed_labels(evaluation: Evaluation) -> "NDArray[np.bool_]":
    assert evaluation.champion_answers is not None  # noqa: S101 - the caller has looked
    ours = _labels(evaluation.holdout["answer"].to_numpy(), evaluation.threshold)
    changed: NDArray[np.bool_] = ours != _labels(evaluation.champion_answers, evaluation.champion_threshold)
    return changed


def _changed_numbers(model: Model, evaluation: Evaluation) -> "NDArray[np.bool_]":
    """Which rows move by more than `differs_by` standard deviations of the labels.

    Raises:
        ValueError: a number is none; compared with the limit it would pass for near.
    """
    import numpy as np

    rows = evaluation.holdout
    moved = np.abs(rows["answer"].to_numpy() - evaluation.champion_answers)
    if not np.isfinite(moved).all():
        raise ValueError(f"{int((~np.isfinite(moved)).sum())} numbers of {len(moved)} are none")
    changed: NDArray[np.bool_] = moved > model.gates.variation.differs_by * rows["label"].to_numpy().std()
    return changed


def _labels(probabilities: "NDArray[np.float64]", threshold: float) -> "NDArray[np.bool_]":
    """What each row is taken for.

    Raises:
        ValueError: a probability is unknown or impossible; compared with a threshold it would pass for a no.
    """
    possible = (probabilities >= 0) & (probabilities <= 1)
    if not possible.all():
        raise ValueError(f"{int((~possible).sum())} probabilities of {len(possible)} are NaN or outside [0, 1]")
    said: NDArray[np.bool_] = probabilities >= threshold
    return said


def _unmeasured(evaluation: Evaluation) -> str:
    why = evaluation.champion_fault or "no reason was given"
    return f"champion {evaluation.champion} cannot be measured: {why}"
