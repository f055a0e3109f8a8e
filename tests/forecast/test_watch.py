"""Past forecasts against actual values: each fault alone is found, chance is not, and many grains are one message."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from almanac.config.home import Home
from almanac.forecast.past import watch
from almanac.forecast.past.watch import Watched, notify_watched, watch_forecasts
from almanac.journal.records import RunRef
from tests.forecast.shop import NEWEST, NOW, WEEK, declare, publish, rows_of, sales
from tests.forecast.world import forecast

GRAINS = 20


def past(errors: np.ndarray, **changed: Any) -> pl.DataFrame:
    """Forecasts of 100 with these errors, of shape (grains, steps); the backtests expect 8, intervals are 100 ± 13."""
    grains, steps = errors.shape
    rows = pl.DataFrame(
        {
            "grain": [f'["{grain}"]' for grain in range(grains) for _ in range(steps)],
            "forecast": 100.0 + errors.ravel(),
            "actual": 100.0,
            "expected": 8.0,
        }
    )
    around = {"lower_80": pl.col("forecast") - 13, "upper_80": pl.col("forecast") + 13}
    return rows.with_columns(**around).with_columns(**changed)


def noise(sd: float = 10.0) -> np.ndarray:
    return np.random.default_rng(1).normal(0, sd, (GRAINS, 4))


CASES: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "error": (noise(40.0), {"lower_80": 0.0, "upper_80": 200.0}, r"The error of 20 grains is [234]\.\d+ of what"),
    "bias": (noise(0.1) + 12, {"expected": 12.0}, r"Forecasts lie \+1\d\.\d% beside the actual values"),
    "coverage of 80%": (noise(), {"upper_80": pl.col("forecast")}, r"Intervals of 80% held [345]\d\.\d% of the actual"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_fault_of_past_forecasts_is_found_alone(tmp_path: Path, name: str) -> None:
    errors, changed, text = CASES[name]
    import re

    model = declare(tmp_path, {"intervals": [0.8], "monitor": {"max_bias": 0.1}})
    (found,) = watch._findings(model, past(errors, **changed))
    assert found.name == name
    assert re.match(text, found.text), found.text


def test_past_forecasts_as_good_as_their_backtests_have_no_fault(tmp_path: Path) -> None:
    model = declare(tmp_path, {"intervals": [0.8]})
    assert list(watch._findings(model, past(noise()))) == []


def test_one_bad_grain_of_twenty_may_be_chance(tmp_path: Path) -> None:
    errors = noise()
    errors[3] *= 40
    assert np.abs(errors).mean() / 8 > 1.5
    assert list(watch._findings(declare(tmp_path, {"intervals": [0.8]}), past(errors))) == []


class Told:
    """Takes what a notifier is asked for."""

    def __init__(self) -> None:
        self.opened: list[Any] = []
        self.resolved = 0

    def open(self, _alerts: object, message: object, *_rest: object) -> None:
        self.opened.append(message)

    def resolve_except(self, *_rest: object) -> None:
        self.resolved += 1


def test_many_grains_are_one_alert_with_a_runbook_which_ends_by_itself(tmp_path: Path) -> None:
    """From the published version to the message: sales have doubled in all stores since."""
    home = Home(home=tmp_path, models=tmp_path / "models")
    model = declare(home.models, {"candidates": {"naive": {}, "drift": {}}, "intervals": [0.8]})
    series = sales(8)
    publish(home, rows_of(series))
    forecast(model, home)
    assert watch_forecasts(model, home) == Watched(0, 0, ())
    publish(home, rows_of({name: 2 * values[-12:-10] for name, values in series.items()}, start=NEWEST + WEEK))
    found, told = watch_forecasts(model, home), Told()
    assert (found.rows, found.grains, {one.name for one in found.findings} >= {"error", "bias"}) == (16, 8, True)
    notify_watched(model, found, told, run=RunRef("forecast_sales", "r"), link="", now=NOW)  # type: ignore[arg-type]
    (message,) = told.opened
    assert message.runbook == "docs/operations.md#alert-performance"
    assert "forecasts are worse than their backtests: error, bias" in message.subject
    notify_watched(model, Watched(16, 8, ()), told, run=RunRef("forecast_sales", "r"), link="", now=NOW)  # type: ignore[arg-type]
    assert (len(told.opened), told.resolved) == (1, 1)
    notify_watched(model, Watched(2, 2, ()), told, run=RunRef("forecast_sales", "r"), link="", now=NOW)  # type: ignore[arg-type]
    assert told.resolved == 1


def test_few_actual_values_are_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = declare(tmp_path, {"intervals": [0.8], "monitor": {"min_values": 81}})
    rows = past(noise(60.0)).with_columns(step=1, time=pl.int_range(pl.len()))
    monkeypatch.setattr(watch, "past_forecasts", lambda *_, **__: rows)
    assert watch_forecasts(model, Home(home=tmp_path)) == Watched(80, 20, ())
    model = declare(tmp_path, {"intervals": [0.8], "monitor": {"min_values": 80}})
    assert watch_forecasts(model, Home(home=tmp_path)).findings
