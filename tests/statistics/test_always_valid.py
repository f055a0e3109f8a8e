"""Evidence that may be looked at at any time: known values, and how often it errs."""

import math

import numpy as np
import pytest

from almanac.statistics.always_valid import evidence_above, evidence_larger, evidence_mean_above, evidence_other

ALPHA = 0.05


def test_evidence_above_is_the_mean_likelihood_ratio_over_shares_above_the_limit() -> None:
    shares = np.linspace(0.1, 1, 200_001)[1:-1]
    ratios, weights = (shares / 0.1) ** 7 * ((1 - shares) / 0.9) ** 13, (1 - shares) ** 8

    assert evidence_above(7, 20, 0.1) == pytest.approx(math.log(np.average(ratios, weights=weights)), abs=1e-4)


def test_evidence_mean_above_is_the_mean_likelihood_ratio_over_differences_above_the_limit() -> None:
    above, variance, scale = 0.03, 0.01**2, 0.02
    true = np.abs(np.random.default_rng(1).normal(0, scale, 400_000))
    ratios = np.exp((above * true - true**2 / 2) / variance)

    assert evidence_mean_above(0.05, variance, 0.02, scale) == pytest.approx(math.log(ratios.mean()), abs=0.02)


def test_evidence_other_says_less_of_what_was_expected_than_of_what_was_not() -> None:
    assert evidence_other(200, 1000, 0.2) < 0 < math.log(1000) < evidence_other(300, 1000, 0.2)
    assert evidence_other(110, 1000, 0.2) > math.log(1000)


def test_evidence_without_observations_is_none() -> None:
    assert evidence_above(0, 0, 0.1) == evidence_larger(0, 0, 1, 9) == evidence_mean_above(1, 0, 0, 1) == 0


def test_evidence_above_looked_at_after_every_observation_errs_as_seldom_as_it_says() -> None:
    happened = np.random.default_rng(2).random((200, 400)) < 0.05
    counts = happened.cumsum(axis=1)
    most = [max(evidence_above(int(row[n]), n + 1, 0.05) for n in range(0, 400, 5)) for row in counts]

    assert np.mean(np.array(most) >= math.log(1 / ALPHA)) <= ALPHA


def test_evidence_above_a_share_that_is_far_above_is_found() -> None:
    assert evidence_above(20, 100, 0.05) > math.log(1 / ALPHA)
    assert evidence_above(0, 100, 0.05) < 0


def test_evidence_larger_does_not_count_what_befalls_both_sides() -> None:
    assert evidence_larger(60, 200, 240, 800) < 0
    assert evidence_larger(60, 200, 80, 800) > math.log(1 / ALPHA)
