"""What guards say: proven worse, in doubt, or fine."""

from typing import Any

import pytest

from almanac.config.sections.rollout import Rollout
from almanac.rollout.evidence import ArmCounts, Evidence
from almanac.rollout.guards import Verdict, ask_guards

FINE, DOUBT, WORSE = Verdict.FINE, Verdict.DOUBT, Verdict.WORSE


def verdicts(evidence: Evidence, share: float = 0.2, **guard: Any) -> dict[str, Verdict]:
    rollout = Rollout.model_validate({"unit": "a", "guard": {"errors": None, **guard}})
    return {each.guard: each.verdict for each in ask_guards(rollout, evidence, share)}


@pytest.mark.parametrize(
    ("failed", "other_failed", "verdict"),
    [
        (60, 40, WORSE),
        (21, 40, DOUBT),  # above the limit, and not proven
        (10, 40, FINE),
        (300, 1200, FINE),  # an input that nobody can answer: the champion is as bad
        (0, 1200, FINE),  # the stable one is bad, so the new one must not be stuck
    ],
)
def test_errors_guard(failed: int, other_failed: int, verdict: Verdict) -> None:
    evidence = Evidence(ArmCounts(4000, other_failed), ArmCounts(1000, failed))
    assert verdicts(evidence, errors=0.02) == {"errors": verdict}


def test_errors_guard_at_full_share_has_no_champion_and_still_falls_back() -> None:
    assert verdicts(Evidence(challenger=ArmCounts(1000, 100)), share=1.0, errors=0.02) == {"errors": WORSE}


def test_guards_with_few_rows_decide_nothing() -> None:
    evidence = Evidence(ArmCounts(400), ArmCounts(99, 99))
    assert verdicts(evidence, errors=0.02) == {"errors": DOUBT}
    assert verdicts(Evidence(ArmCounts(400), ArmCounts(100, 100)), errors=0.02) == {"errors": WORSE}


def test_p99_guard_counts_rows_that_are_slow() -> None:
    assert verdicts(Evidence(ArmCounts(4000, 0, 20), ArmCounts(1000, 0, 60)), p99_ms=50) == {"p99_ms": WORSE}
    assert verdicts(Evidence(ArmCounts(4000, 0, 20), ArmCounts(1000, 0, 5)), p99_ms=50) == {"p99_ms": FINE}


def test_disagreement_guard_before_the_first_step() -> None:
    mirrored = ArmCounts(1000)
    assert verdicts(Evidence(ArmCounts(1000), mirrored, 1000, 400), 0.0, disagreement=0.2) == {"disagreement": WORSE}
    assert verdicts(Evidence(ArmCounts(1000), mirrored, 1000, 100), 0.0, disagreement=0.2) == {"disagreement": FINE}
    assert verdicts(Evidence(ArmCounts(1000), mirrored, 0, 0), 0.0, disagreement=0.2) == {"disagreement": DOUBT}


@pytest.mark.parametrize(("mean", "outcomes", "verdict"), [(0.3, 900, WORSE), (0.15, 900, FINE), (0.3, 50, DOUBT)])
def test_outcome_guard(mean: float, outcomes: int, verdict: Verdict) -> None:
    champion = ArmCounts(4000, outcomes=3000, loss_mean=0.15, loss_variance=0.04)
    challenger = ArmCounts(1000, outcomes=outcomes, loss_mean=mean, loss_variance=0.04)
    declared = {"metric": "brier", "max_loss": 0.02}
    assert verdicts(Evidence(champion, challenger), outcome=declared) == {"outcome": verdict}


def test_units_in_two_arms_are_found() -> None:
    assert verdicts(Evidence(ArmCounts(10), ArmCounts(10), units_in_both=1), errors=0.02)["units"] is WORSE


def test_sample_ratio_of_units_is_found_and_that_of_requests_is_not() -> None:
    skewed = Evidence(ArmCounts(1000, units=500), ArmCounts(1000, units=300))
    busy = Evidence(ArmCounts(1000, units=800), ArmCounts(9000, units=200))
    assert verdicts(skewed, errors=0.02)["sample"] is WORSE
    assert "sample" not in verdicts(busy, errors=0.02)
