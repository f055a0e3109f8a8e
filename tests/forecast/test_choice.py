"""The candidate of a grain: never worse than seasonal naive; a failure is recorded; intervals hold what they claim."""

import numpy as np
import pytest

from almanac.config.sections.forecast import SEASONAL, Forecast
from almanac.forecast import statistical
from almanac.forecast.choice import forecast_panel
from almanac.forecast.fitted import FAILURES, Fit, Fitted
from almanac.forecast.panel import Panel
from tests.forecast.shop import sales

RULES = {"naive": {}, "drift": {}, "level": {}, "seasonal_mean": {}, "ridge": {}}


def declared(**more: object) -> Forecast:
    values = {"target": "y", "grain": ["g"], "horizon": 4, "season": [12], "candidates": RULES}
    return Forecast.model_validate({**values, **more})


def test_no_grain_is_worse_than_seasonal_naive_on_its_backtests() -> None:
    draw = np.random.default_rng(3)
    wild = [draw.normal(0, 1, 90).cumsum() for _ in range(30)]
    found = forecast_panel(Panel.of([*wild, *sales(30).values()]), declared(choose={"ensemble": []}))
    assert all(one.error <= one.baseline_error for one in found)
    assert any(one.error < one.baseline_error for one in found)


def test_grain_on_which_nothing_beats_seasonal_naive_keeps_it_and_says_so() -> None:
    season = np.random.default_rng(5).normal(100, 20, 12)
    (found,) = forecast_panel(Panel.of([np.tile(season, 7)]), declared())
    assert (found.candidate, found.kept_baseline, found.error) == (SEASONAL, True, 0.0)
    assert found.forecast.tolist() == season[:4].tolist()


def test_candidate_as_good_as_seasonal_naive_is_not_used() -> None:
    """Of a season that repeats, the mean of two seasons is as good: the simpler rule stays."""
    season = np.array([1.0, 2.0, 4.0, 8.0])
    candidates = {"seasonal_mean": {"seasons": [2]}}
    (found,) = forecast_panel(Panel.of([np.tile(season, 8)]), declared(season=[4], candidates=candidates))
    assert found.errors["seasonal_mean_4x2"] == found.baseline_error
    assert found.kept_baseline


def test_result_of_a_grain_does_not_depend_on_the_grains_beside_it() -> None:
    """To the last bit: keys name results whatever chunk they were computed in."""
    series = [
        values[-length:] for values, length in zip(sales(7).values(), (100, 80, 99, 64, 77, 100, 90), strict=True)
    ]
    together = forecast_panel(Panel.of(series), declared())
    alone = [forecast_panel(Panel.of([each]), declared())[0] for each in series]
    for one, other in zip(together, alone, strict=True):
        assert (one.candidate, one.members, one.errors) == (other.candidate, other.members, other.errors)
        assert one.traits == other.traits
        for name in ("forecast", "scores", "scale", "held_out"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_backtest_does_not_see_what_comes_after_its_origin() -> None:
    """Other values in the newest horizon change no forecast of that horizon, only its error."""
    (series,) = sales(1).values()
    from almanac.forecast.backtest import backtest
    from almanac.forecast.candidates import candidates_of

    changed = series.copy()
    changed[-4:] = 9e6
    past = [backtest(Panel.of([each]), candidates_of(declared()), 4, 2) for each in (series, changed)]
    assert past[0].forecasts.tobytes() == past[1].forecasts.tobytes()
    assert past[1].actuals[0].tolist() == [[9e6] * 4]


def test_candidate_that_fails_on_one_grain_is_recorded_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def theta(season: int) -> Fit:
        def fit(series: np.ndarray, horizon: int, _known: object) -> Fitted:
            if series[0] < 0:
                raise np.linalg.LinAlgError("singular matrix")
            return Fitted(np.repeat(series[-1], horizon), {"alpha": 0.5})

        return fit

    monkeypatch.setattr(statistical, "_theta", theta)
    good, bad = sales(2).values()
    bad[0] = -1.0
    first, second = forecast_panel(Panel.of([good, bad]), declared(candidates={"theta": {}, "drift": {}}))
    assert (dict(first.failures), "theta" in first.errors) == ({}, True)
    assert dict(second.failures) == {"theta": "LinAlgError: singular matrix"}
    assert "theta" not in second.errors


def test_forecast_that_is_not_a_number_is_a_failure() -> None:
    with pytest.raises(ValueError, match="no finite forecast"):
        statistical.finite(np.array([1.0, np.nan]))


def test_nothing_is_cut_off_unless_it_is_declared() -> None:
    line = np.arange(40.0, 0.0, -1.0) - 2.0
    candidates = {"drift": {}}
    (free,) = forecast_panel(Panel.of([line]), declared(season=[], candidates=candidates))
    (cut,) = forecast_panel(Panel.of([line]), declared(season=[], candidates=candidates, limits={"min": 0}))
    assert free.forecast.tolist() == pytest.approx([-2.0, -3.0, -4.0, -5.0])
    assert cut.forecast.tolist() == [0.0] * 4


def test_held_out_backtest_does_not_choose_its_own_candidate() -> None:
    """Drift is perfect on the newest backtest only: by the others, the baseline is used there, and is wrong by 4."""
    from almanac.forecast.backtest import Backtests
    from almanac.forecast.choice import _Series

    actuals = np.array([[[5.0, 5.0]], [[1.0, 1.0]], [[1.0, 1.0]]])
    forecasts = np.array([[[[1.0, 1.0]], [[5.0, 5.0]]], [[[1.0, 1.0]], [[2.0, 2.0]]], [[[1.0, 1.0]], [[2.0, 2.0]]]])
    past = Backtests((SEASONAL, "drift"), forecasts, actuals, {})
    series = _Series(past, 0, np.array([4 / 3, 2 / 3]), np.ones((2, 2)), 1.0, {}, declared(choose={"ensemble": []}))
    assert [option.name for option in series.options(series.measured)] == [SEASONAL, "drift"]
    assert series.held_out().tolist() == [[-4.0, -4.0], [1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("name", ["ets", "arima", "auto", "theta", "mstl"])
def test_statistical_candidate_forecasts_a_season_with_a_trend(name: str) -> None:
    steps = np.arange(96)
    series = 100 + steps + 20 * np.sin(2 * np.pi * steps / 12) + np.random.default_rng(4).normal(0, 1, 96)
    orders = {"arima": {"order": [1, 0, 0], "seasonal": [0, 1, 0]}, "auto": {"order": "auto"}}
    candidate = "arima" if name in orders else name
    fit = statistical.fits_of(declared(candidates={candidate: orders.get(name, {})}))[candidate]
    expected = 100 + np.arange(96, 100) + 20 * np.sin(2 * np.pi * np.arange(96, 100) / 12)
    fitted = fit(series, 4)
    assert np.abs(fitted.values - expected).max() < 12
    assert fitted.parameters


def test_order_of_an_arima_is_found_on_each_series() -> None:
    """A walk is differenced; noise around a level is not, and needs no term."""
    draw = np.random.default_rng(0).normal(0, 1, 150)
    fit = statistical.fits_of(declared(season=[], candidates={"arima": {"order": "auto"}}))["arima"]
    assert fit(draw.cumsum(), 3).parameters["order"][1] == 1
    still = fit(100 + draw, 3)
    assert still.parameters["order"] == [0, 0, 0]
    assert still.values.tolist() == pytest.approx([100.0] * 3, abs=0.5)


def test_statistical_candidate_on_too_short_a_series_raises_what_is_recorded() -> None:
    fit = statistical.fits_of(declared(candidates={"mstl": {}}))["mstl"]
    with pytest.raises(FAILURES, match="two seasons"):
        fit(np.arange(20.0), 4)
