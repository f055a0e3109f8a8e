"""Intervals hold the share that they claim: also after a choice, and with few backtests."""

import numpy as np
import polars as pl
import pytest

from almanac.forecast.choice import forecast_panel
from almanac.forecast.intervals import coverage_of, ends_of, quantiles_of, scale_of, scores_of
from almanac.forecast.panel import Panel
from almanac.forecast.results import result_rows
from tests.forecast.test_choice import declared

LEVELS = (0.8, 0.95)


def test_scale_never_falls_with_the_step_and_grows_with_the_errors() -> None:
    wrong = np.random.default_rng(1).normal(0, 1, (6, 8))
    assert (np.diff(scale_of(wrong)) >= 0).all()
    assert scale_of(3 * wrong).tolist() == pytest.approx((3 * scale_of(wrong)).tolist())


def test_scores_are_by_the_scale_of_the_other_backtests() -> None:
    wrong = np.array([[2.0, 2.0], [4.0, 4.0]])
    assert scores_of(wrong).tolist() == [[0.5, 0.5], [2.0, 2.0]]


def test_quantile_is_that_of_all_grains_with_the_correction_for_a_finite_sample() -> None:
    """Of 20 scores the place of 80 % is ceil(21 * 0.8) = 17; of 95 % it is 20."""
    scores = [list(range(1, 11)), list(range(11, 21))]
    assert quantiles_of(scores, LEVELS) == {0.8: 17.0, 0.95: 20.0}
    assert quantiles_of([[3.0, 1.0]], (0.95,)) == {0.95: 3.0}


def test_ends_are_as_far_from_the_forecast_as_scale_and_quantile_say_and_limited() -> None:
    rows = pl.DataFrame({"forecast": [[1.0, 10.0]], "scale": [[1.0, 2.0]], "scores": [[2.0] * 9], "origins": [1]})
    ((low, high),) = [[each[0].tolist() for each in both] for both in ends_of(rows, (0.8,), 0.0, 13.0).values()]
    assert (low, high) == ([0.0, 6.0], [3.0, 13.0])


def test_coverage_on_a_backtest_is_by_the_quantile_of_the_others() -> None:
    """The errors of one backtest are larger than all others: none of them lies within."""
    rows = pl.DataFrame({"scores": [[9.0] * 4 + [1.0] * 4 + [1.0] * 4], "origins": [3]})
    assert coverage_of(rows, (0.8,)) == {0.8: pytest.approx(2 / 3)}


def test_intervals_hold_what_they_claim_although_candidates_were_chosen_by_few_backtests() -> None:
    draw, horizon, season = np.random.default_rng(7), 6, 12
    steps = np.arange(96)
    whole = [
        100 + 20 * np.sin(2 * np.pi * steps / season + draw.random()) + draw.normal(0, draw.uniform(1, 9), len(steps))
        for _ in range(150)
    ]
    forecast = declared(horizon=horizon, season=[season], choose={"backtests": 2})
    found = forecast_panel(Panel.of([each[:-horizon] for each in whole]), forecast)
    rows = result_rows("", [""] * len(found), [str(number) for number in range(len(found))], found)
    came = np.stack([each[-horizon:] for each in whole])
    for level, (low, high) in ends_of(rows, LEVELS, -np.inf, np.inf).items():
        within = (np.stack(low) <= came) & (came <= np.stack(high))
        assert within.mean() == pytest.approx(level, abs=0.04)
