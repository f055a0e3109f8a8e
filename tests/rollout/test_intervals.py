"""What is drawn of a guard is what the guard says: an end of an interval is the limit at which it would decide."""

import math

import pytest

from almanac.config.sections.rollout import Rollout
from almanac.rollout.evidence import ArmCounts, Evidence
from almanac.rollout.guards import Verdict, ask_guards, needed_evidence
from almanac.rollout.intervals import intervals_of, mean_between, share_between
from almanac.rollout.progress import figures_of
from almanac.statistics.always_valid import evidence_above

DECLARED = Rollout.model_validate(
    {"unit": "a", "guard": {"errors": 0.02, "outcome": {"metric": "error", "max_loss": 0.02}}}
)
NEEDED = needed_evidence(DECLARED)


@pytest.mark.parametrize(("count", "total"), [(0, 500), (40, 2000), (120, 2000), (500, 500)])
def test_share_interval_ends_where_the_test_begins_to_refute(count: int, total: int) -> None:
    lower, upper = share_between(count, total, NEEDED)
    assert lower <= count / total <= upper
    assert (lower > 0, upper < 1) == (count > 0, count < total)
    assert lower == 0 or evidence_above(count, total, lower * 0.999) >= NEEDED
    assert lower == 0 or evidence_above(count, total, lower * 1.001) < NEEDED
    assert upper == 1 or evidence_above(total - count, total, 1 - upper * 1.001) >= NEEDED
    assert upper == 1 or evidence_above(total - count, total, 1 - upper * 0.999) < NEEDED


def test_share_interval_of_no_rows_says_nothing() -> None:
    assert share_between(0, 0, NEEDED) == (0.0, 1.0)


def test_mean_interval_is_wider_than_that_of_one_look() -> None:
    lower, upper = mean_between(0.01, 1e-4, 0.02, NEEDED)
    assert lower < 0.01 - 1.96e-2
    assert upper - 0.01 == pytest.approx(0.01 - lower)
    assert mean_between(0.01, 1e-6, 0.02, NEEDED)[0] > lower


@pytest.mark.parametrize("failed", [40, 60, 90, 120])
def test_lower_end_above_the_limit_is_a_guard_that_falls_back(failed: int) -> None:
    findings = ask_guards(DECLARED, Evidence(ArmCounts(), ArmCounts(2000, failed)), 0.05)
    (errors, _) = intervals_of(figures_of(findings), DECLARED)
    worse = any(each.guard == "errors" and each.verdict is Verdict.WORSE for each in findings)
    assert errors.lower is not None
    assert (errors.lower >= errors.limit) is worse


def test_outcome_without_enough_outcomes_has_no_interval() -> None:
    (_, outcome) = intervals_of({"errors.observed": 0.0, "outcome.observed": 0.0, "outcome.limit": 0.02}, DECLARED)
    assert (outcome.lower, outcome.upper) == (None, None)


def test_outcome_keeps_what_its_interval_needs() -> None:
    arms = [ArmCounts(500, outcomes=500, loss_mean=mean, loss_variance=0.1) for mean in (0.1, 0.12)]
    found = figures_of(ask_guards(DECLARED, Evidence(arms[0], arms[1]), 0.5))
    outcome = intervals_of(found, DECLARED)[-1]
    assert found["outcome.variance"] == pytest.approx(2 * 0.1 / 500)
    assert outcome.lower is not None
    assert outcome.upper is not None
    assert outcome.lower < 0.02 < outcome.upper < math.inf
