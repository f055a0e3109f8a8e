"""Comparison with versions in production: not worse; and where predictions differ a lot, a person is asked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.grammar.label_kind import NUMBER
from almanac.config.schema import Model
from almanac.config.sections.gates import ChampionGate
from almanac.release.gates.evaluation import Evaluation, GateResult, refuse
from almanac.statistics.bootstrap import ConfidenceInterval, paired_interval
from almanac.statistics.tasks import task_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_CHAMPION = "no champion yet: nothing in production to be"


def champion(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Not worse than the champion beyond chance, or better beyond it; see `hold_against`."""
    gate = model.gates.champion
    name = f"champion[{gate.metric}]"
    if not evaluation.champion:
        return [GateResult(name, True, None, None, f"{_NO_CHAMPION} worse than")]
    if evaluation.champion_predictions is None:
        return [refuse(name, _unmeasured(evaluation))]
    interval = _interval(model, evaluation, evaluation.champion_predictions, evaluation.champion_threshold)
    verdict = hold_against(gate, interval, evaluation.news)
    reason = f"{_differs(gate, interval, f'champion {evaluation.champion}')}; {verdict.words}"
    if evaluation.champion_split:
        reason += f". Rows of this hold-out trained the champion ({evaluation.champion_split}), so it looks too good"
    return [GateResult(name, verdict.passed, verdict.measured, verdict.limit, reason, difference=interval.observed)]


def best_of_year(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Not far below the best version of the last year: small losses must not add up."""
    gate, best = model.gates.champion, evaluation.best
    name = f"best_of_year[{gate.metric}]"
    if not evaluation.champion:
        return [GateResult(name, True, None, None, f"{_NO_CHAMPION} worse than")]
    if best is None:
        return [refuse(name, "the best version of the last year was not determined")]
    if best.version == evaluation.champion:
        return [GateResult(name, True, None, None, f"champion {best.version} is {best.why}; the gate champion decides")]
    if best.predictions is None:
        return [refuse(name, f"version {best.version}, {best.why}, cannot be measured: {best.fault or 'no reason'}")]
    interval = _interval(model, evaluation, best.predictions, best.threshold)
    reason = (
        f"{_differs(gate, interval, f'version {best.version}')}; it is {best.why}; wanted at least "
        f"{-gate.max_loss:+.4f} at the lower end"
    )
    passed = interval.low >= -gate.max_loss
    return [GateResult(name, passed, interval.low, -gate.max_loss, reason, difference=interval.observed)]


@dataclass(frozen=True)
class ComparisonVerdict:
    """The result of a comparison: the deciding end of the interval, its limit, and both in words."""

    passed: bool
    measured: float
    limit: float
    words: str


def hold_against(gate: ChampionGate, interval: ConfidenceInterval, news: str) -> ComparisonVerdict:
    """Decide by the interval of the difference; above 0 the candidate is better.

    Args:
        gate: declares the limits.
        interval: of the candidate's gain.
        news: a reason to accept a candidate that is only as good; empty: there is none.
    """
    low, high = interval.low, interval.high
    if gate.must == "beat":
        return ComparisonVerdict(low > 0, low, 0.0, "wanted all of it above 0 (gates.champion.must: beat)")
    if not high >= 0:
        return ComparisonVerdict(False, high, 0.0, "worse beyond chance; wanted at least 0 at its upper end")
    if not low >= -gate.max_loss:
        return ComparisonVerdict(False, low, -gate.max_loss, f"wanted at least {-gate.max_loss:+.4f} at its lower end")
    if low > 0:
        return ComparisonVerdict(True, low, -gate.max_loss, "better beyond chance")
    if news:
        return ComparisonVerdict(True, low, -gate.max_loss, f"as good within chance, and accepted because {news}")
    why = "as good within chance, with the same rows, declaration, parameters and code, or with older rows"
    return ComparisonVerdict(False, low, 0.0, f"{why}: there is no reason to replace what is in production")


def _interval(
    model: Model, evaluation: Evaluation, predictions: "NDArray[np.float64]", threshold: float
) -> ConfidenceInterval:
    gate = model.gates.champion
    return paired_interval(
        gate.metric,
        evaluation.holdout,
        predictions,
        resamples=gate.resamples,
        confidence=gate.confidence,
        seed=model.train.seed,
        thresholds=(evaluation.threshold, threshold),
    )


def _differs(gate: ChampionGate, interval: ConfidenceInterval, other: str) -> str:
    return (
        f"{gate.metric} on the hold-out differs from {other} by {interval.observed:+.4f}, {gate.confidence:.0%} "
        f"interval {interval.low:+.4f} to {interval.high:+.4f} (better is above 0)"
    )


def variation(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """The share of the hold-out's rows whose label changes; above the limit it passes, and a person is asked.

    A candidate can be as good as the champion by every figure and still decide differently on every fifth row. People
    who act on the predictions must know before that happens.
    """
    name, limit = "variation", model.gates.variation.ask_above
    if not evaluation.champion:
        return [GateResult(name, True, None, None, f"{_NO_CHAMPION} different from")]
    if evaluation.champion_predictions is None:
        return [refuse(name, _unmeasured(evaluation))]
    rows = evaluation.holdout
    far = model.gates.variation.differs_by * float(rows["label"].to_numpy().std())
    changed = task_of(model.label).differ(
        rows["answer"].to_numpy(),
        evaluation.champion_predictions,
        thresholds=(evaluation.threshold, evaluation.champion_threshold),
        far=far,
    )
    share = float(changed.mean())
    what = "a number far from that of" if model.label.kind is NUMBER else "another label than from"
    reason = (
        f"{share:.2%} of {len(changed)} rows of the hold-out get {what} champion "
        f"{evaluation.champion}; above {limit:.2%} a person decides"
    )
    return [GateResult(name, True, share, limit, reason, ask=share > limit)]


def _unmeasured(evaluation: Evaluation) -> str:
    why = evaluation.champion_problem or "no reason was given"
    return f"champion {evaluation.champion} cannot be measured: {why}"
