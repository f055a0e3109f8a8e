"""Known answers: the M4 competition's hourly series, and a small one that is worked out by hand."""

import time

import numpy as np
import polars as pl
import pytest

from almanac.config.sections.forecast import SEASONAL, Forecast
from almanac.forecast.backtest import errors, scales_of
from almanac.forecast.candidates import candidates_of
from almanac.forecast.choice import forecast_panel
from almanac.forecast.intervals import ends_of
from almanac.forecast.panel import Panel
from almanac.forecast.results import result_rows
from tests.data.real_data import REAL_DATA

_M4 = REAL_DATA / "m4_hourly"
_HORIZON = 48
_RULES = {"naive": {}, "drift": {}, "level": {}, "seasonal_mean": {}, "ridge": {}}


def declared(**more: object) -> Forecast:
    return Forecast.model_validate({"target": "y", "grain": ["g"], "horizon": 2, "candidates": {}, **more})


def read_m4(part: str) -> list[np.ndarray]:
    rows = pl.read_csv(_M4 / f"Hourly-{part}.csv.gz", infer_schema_length=0)[:, 1:].cast(pl.Float64).to_numpy()
    return [row[~np.isnan(row)] for row in rows]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not _M4.is_dir(), reason="the real data are not beside the project")
def test_m4_hourly_chosen_by_grain_reaches_what_was_published() -> None:
    panel, actual = Panel.of(read_m4("train")), np.stack(read_m4("test"))[None]
    scales = scales_of(panel, 24)
    forecast = declared(horizon=_HORIZON, season=[24, 168], candidates=_RULES, choose={"by": "smape", "backtests": 2})
    naive = candidates_of(forecast)[SEASONAL](panel, _HORIZON).values[None]
    assert errors(naive, actual, scales, "smape").mean().round(3) == 13.912
    assert errors(naive, actual, scales, "mase").mean().round(3) == 1.193
    began = time.process_time()
    found = forecast_panel(panel, forecast)
    assert time.process_time() - began < 60
    chosen = np.stack([one.forecast for one in found])[None]
    assert errors(chosen, actual, scales, "smape").mean() <= 9.0  # the competition's winner: 9.328
    assert errors(chosen, actual, scales, "mase").mean() <= 0.87  # 0.893
    assert all(one.error <= one.baseline_error for one in found)
    rows = result_rows("", [""] * len(found), [str(number) for number in range(len(found))], found)
    for level, (low, high) in ends_of(rows, (0.8, 0.95), -np.inf, np.inf).items():
        held = ((np.stack(low) <= actual[0]) & (actual[0] <= np.stack(high))).mean()
        assert abs(held - level) < 0.03


def test_seasonal_naive_and_its_scale_are_those_worked_out_by_hand() -> None:
    panel = Panel.of([np.array([1.0, 5.0, 2.0, 7.0, 4.0, 8.0])])
    forecast = declared(season=[2])
    (naive,) = candidates_of(forecast)[SEASONAL](panel, 3).values
    assert naive.tolist() == [4.0, 8.0, 4.0]
    assert scales_of(panel, 2).tolist() == [(1 + 2 + 2 + 1) / 4]
    actual = np.array([[[6.0, 8.0, 4.0]]])
    assert errors(naive[None, None], actual, np.array([1.5]), "mase").tolist() == [2 / 3 / 1.5]
    assert errors(naive[None, None], actual, np.array([1.5]), "smape").tolist() == [200 * 2 / 10 / 3]


def test_smape_of_zeros_that_are_forecast_as_zeros_is_zero() -> None:
    zeros = np.zeros((1, 1, 2))
    assert errors(zeros, zeros, np.ones(1), "smape").tolist() == [0.0]


def test_candidate_without_a_forecast_is_infinitely_wrong_by_both_measures() -> None:
    unknown, actual = np.full((1, 1, 2), np.nan), np.ones((1, 1, 2))
    assert [errors(unknown, actual, np.ones(1), by).tolist() for by in ("mase", "smape")] == [[np.inf], [np.inf]]


def test_straight_line_is_forecast_by_drift_without_any_error() -> None:
    (found,) = forecast_panel(Panel.of([np.arange(1.0, 31.0)]), declared(season=[7], candidates={"drift": {}}))
    assert found.candidate == "drift"
    assert found.forecast.tolist() == pytest.approx([31.0, 32.0])
    assert found.error == pytest.approx(0.0)
    assert not found.kept_baseline
