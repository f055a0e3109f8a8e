"""Whether a step's evidence says: fall back, all is well, or that it cannot say yet.

Every guard is an always-valid test of one visit of one step: shares differ between steps, and with them who is asked
and what the machines bear, so figures of two steps are never added. The chance that a rollout of a version that is
within all limits falls back is at most `ALPHA`, divided among the guards and the steps.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from almanac.config.sections.rollout import OutcomeGuard, Rollout
from almanac.rollout.evidence import ArmCounts, Evidence
from almanac.statistics.always_valid import (
    evidence_above,
    evidence_larger,
    evidence_mean_above,
    evidence_other,
)

ALPHA = 0.02
SAMPLE_ALPHA = 0.001  # a broken assignment is no matter of degree
P99_SHARE = 0.01
LIMITED = ("errors", "p99_ms", "disagreement", "outcome")  # the guards that a limit is declared for


class Verdict(StrEnum):
    """What a guard says."""

    FINE = "fine"
    DOUBT = "doubt"  # above its limit, and not proven; or there are too few rows
    WORSE = "worse"


@dataclass(frozen=True)
class GuardFinding:
    """What one guard says, and in which figures.

    Attributes:
        guard: its key in the YAML, or `sample` or `units`.
        verdict: fine, doubt or worse.
        words: for people.
        figures: by name.
    """

    guard: str
    verdict: Verdict
    words: str
    figures: dict[str, float]


def ask_guards(rollout: Rollout, evidence: Evidence, share: float) -> list[GuardFinding]:
    """What each declared guard says of one visit.

    Args:
        rollout: declares the limits.
        evidence: of one visit of one step.
        share: of units that the challenger answers; 0: it only mirrors.
    """
    return [*_assigned(evidence, share), *_limits(rollout, evidence, share, needed_evidence(rollout))]


def needed_evidence(rollout: Rollout) -> float:
    """Log of the evidence from which on a guard is proven."""
    # before the first step all guards but the outcome's are asked, too
    tests = sum(getattr(rollout.guard, name) is not None for name in LIMITED) * (len(rollout.steps) + 1)
    return math.log(tests / ALPHA)


def _assigned(evidence: Evidence, share: float) -> Iterator[GuardFinding]:
    """Whether units went to versions as they should."""
    if evidence.units_in_both:
        words = f"{evidence.units_in_both} units were answered by both versions in one step"
        yield GuardFinding("units", Verdict.WORSE, words, {"units_in_both": float(evidence.units_in_both)})
    ours, others = evidence.challenger.units, evidence.champion.units
    if 0 < share < 1 and evidence_other(ours, ours + others, share) >= math.log(1 / SAMPLE_ALPHA):
        got = ours / (ours + others)
        words = f"the challenger was asked about {got:.1%} of {ours + others} units, expected {share:.1%}"
        yield GuardFinding("sample", Verdict.WORSE, words, {"units": float(ours + others), "share": got})


def _limits(rollout: Rollout, evidence: Evidence, share: float, needed: float) -> Iterator[GuardFinding]:
    guard, ours, theirs = rollout.guard, evidence.challenger, evidence.champion
    few = ours.rows < guard.min_requests
    if guard.errors is not None:
        yield _share("errors", "of its rows it did not answer", guard.errors, _Parts.failed(ours, theirs), needed, few)
    if guard.p99_ms is not None:
        words = f"of its rows took longer than {guard.p99_ms:g} ms"
        yield _share("p99_ms", words, P99_SHARE, _Parts.slow(ours, theirs), needed, few)
    if guard.disagreement is not None:
        few = evidence.compared < guard.min_requests
        parts = _Parts(evidence.disagreed, evidence.compared)
        yield _share("disagreement", "of labels differ from the champion's", guard.disagreement, parts, needed, few)
    if guard.outcome is not None and 0 < share < 1:  # else there is nothing to compare with
        yield _outcome(guard.outcome, guard.min_requests, ours, theirs, needed)


@dataclass(frozen=True)
class _Parts:
    """How often something happened to the challenger, and to the champion beside it."""

    count: int
    total: int
    other_count: int = 0
    other_total: int = 0

    @classmethod
    def failed(cls, ours: ArmCounts, theirs: ArmCounts) -> "_Parts":
        return cls(ours.failed, ours.rows, theirs.failed, theirs.rows)

    @classmethod
    def slow(cls, ours: ArmCounts, theirs: ArmCounts) -> "_Parts":
        return cls(ours.slow, ours.rows, theirs.slow, theirs.rows)


def _share(guard: str, words: str, limit: float, parts: _Parts, needed: float, few: bool) -> GuardFinding:
    """Worse: above the limit, and, where there is a champion beside it, above the champion's share; both proven.

    What also befalls the champion (an input that nobody can answer, a slow machine) is no fault of the challenger.
    """
    observed = parts.count / parts.total if parts.total else 0.0
    evidence = evidence_above(parts.count, parts.total, limit)
    figures = {"observed": observed, "limit": limit, "rows": float(parts.total)}
    beside = ""
    if parts.other_total:
        other = parts.other_count / parts.other_total
        evidence = min(evidence, evidence_larger(parts.count, parts.total, parts.other_count, parts.other_total))
        figures["champion"], beside = other, f", of the champion's {other:.2%}"
    text = f"{guard}: {observed:.2%} {words} ({parts.total} rows){beside}; limit {limit:.2%}"
    if few:
        return GuardFinding(guard, Verdict.DOUBT, f"{text}; too few rows to say", figures)
    if evidence >= needed:
        return GuardFinding(guard, Verdict.WORSE, f"{text}: proven", figures)
    fine = observed <= max(limit, figures.get("champion", 0.0))
    return GuardFinding(guard, Verdict.FINE if fine else Verdict.DOUBT, text, figures)


def _outcome(declared: OutcomeGuard, least: int, ours: ArmCounts, theirs: ArmCounts, needed: float) -> GuardFinding:
    fewest = min(ours.outcomes, theirs.outcomes)
    difference = ours.loss_mean - theirs.loss_mean
    figures = {"observed": difference, "limit": declared.max_loss, "rows": float(ours.outcomes)}
    text = (
        f"outcome: {declared.metric} {ours.loss_mean:.4f} ({ours.outcomes} outcomes), the champion's"
        f" {theirs.loss_mean:.4f} ({theirs.outcomes}); difference {difference:+.4f}, limit {declared.max_loss:g}"
    )
    if fewest < least:
        return GuardFinding("outcome", Verdict.DOUBT, f"{text}; too few outcomes to say", figures)
    variance = ours.loss_variance / ours.outcomes + theirs.loss_variance / theirs.outcomes
    figures["variance"] = variance
    if evidence_mean_above(difference, variance, declared.max_loss, declared.max_loss) >= needed:
        return GuardFinding("outcome", Verdict.WORSE, f"{text}: proven", figures)
    return GuardFinding("outcome", Verdict.FINE if difference <= declared.max_loss else Verdict.DOUBT, text, figures)
