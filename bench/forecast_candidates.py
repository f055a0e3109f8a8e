"""Measures what candidates are worth: `python -m bench.forecast_candidates`.

On M4 hourly, if it lies beside the project: the rules, and the global candidate beside them. On a made-up retailer,
whose promotions and moving holiday are known ahead: the rules, then with a calendar, then with the global candidate.
Each is the mean error, as a share of the mean value, of a last horizon that nothing has seen.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import polars as pl

from almanac.config.sections.forecast import Forecast
from almanac.forecast.choice import forecast_panel
from almanac.forecast.global_candidate.fit import NAME, FitSample, global_candidate
from almanac.forecast.panel import Panel
from tests.data.real_data import REAL_DATA

RULES: dict[str, Any] = {"naive": {}, "drift": {}, "level": {}, "seasonal_mean": {"seasons": [2]}, "ridge": {}}
_STORES, _WEEKS, _HORIZON = 200, 172, 12


def retail(stores: int, weeks: int, seed: int = 3) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weekly sales by store, and their calendar: a holiday that moves by up to five weeks, and promotions."""
    draw, steps = np.random.default_rng(seed), np.arange(weeks)
    holiday = np.isin(steps, [52 * year + 13 + draw.integers(0, 5) for year in range(weeks // 52 + 1)]).astype(float)
    series, known = [], []
    for _ in range(stores):
        level, growth, summer, christmas = draw.uniform((8e3, -0.05, 0, 0.2), (6e4, 0.12, 0.15, 0.9))
        promotion = (draw.random(weeks) < 0.15).astype(float)
        lift = draw.uniform(0.05, 0.4) * promotion + draw.uniform(0.1, 0.6) * holiday + draw.normal(0, 0.06, weeks)
        week = steps % 52
        shape = 1 + summer * np.sin(2 * np.pi * (week - 13) / 52) + christmas * np.exp(-(((week - 51) / 2.5) ** 2))
        series.append(level * (1 + growth * steps / 52) * shape * np.exp(lift))
        known.append(np.column_stack([holiday, promotion]))
    return series, known


def measure(what: str, panel: Panel, actual: np.ndarray, declared: dict[str, Any]) -> None:
    """Print error, sMAPE, how many grains use the global candidate, and CPU seconds."""
    forecast = Forecast.model_validate({"target": "y", "grain": ["g"], **declared})
    began, fitted = time.process_time(), {}
    names = [str(number) for number in range(len(panel))]
    if (wanted := forecast.candidates.over_all) is not None:
        fits = {}
        for origin in range(forecast.choose.backtests + 1):
            sample = FitSample(forecast, origin * forecast.horizon, wanted.windows // len(panel))
            sample.add(names, panel)
            fits[sample.hidden] = sample.fit(wanted)
        fitted = {NAME: global_candidate(forecast, fits)}
        alone = fitted[NAME](panel, forecast.horizon).values
        print(f"{what}, global alone: {errors(alone, actual)}", flush=True)
    found = forecast_panel(panel, forecast, fitted)
    used = sum(NAME in one.members for one in found)
    chosen = np.stack([one.forecast for one in found])
    cpu_s = time.process_time() - began
    print(f"{what}: {errors(chosen, actual)}; global in {used} of {len(found)}; {cpu_s:.1f} CPU s", flush=True)


def errors(forecast: np.ndarray, actual: np.ndarray) -> str:
    """Both errors, in words."""
    wrong = np.abs(forecast - actual)
    share = (wrong / np.abs(actual).mean(axis=1, keepdims=True)).mean()
    return f"error {share:.4f}, sMAPE {(200 * wrong / (np.abs(forecast) + np.abs(actual))).mean():.3f}"


def main() -> None:
    """All of them."""
    series, known = retail(_STORES, _WEEKS)
    panel = Panel.of([each[:-_HORIZON] for each in series], known, ("holiday", "promotion"))
    actual, plain = np.stack([each[-_HORIZON:] for each in series]), {"horizon": _HORIZON, "season": [52]}
    measure("retail, rules", panel, actual, {**plain, "candidates": RULES})
    calendar = {**plain, "calendar": "known.csv"}
    measure("retail, calendar", panel, actual, {**calendar, "candidates": RULES})
    measure("retail, calendar and global", panel, actual, {**calendar, "candidates": {**RULES, "global": {}}})
    folder = REAL_DATA / "m4_hourly"
    if not folder.is_dir():
        print(f"{folder}: M4 hourly is not there")
        return
    parts = {}
    for part in ("train", "test"):
        rows = pl.read_csv(folder / f"Hourly-{part}.csv.gz", infer_schema_length=0)[:, 1:].cast(pl.Float64).to_numpy()
        parts[part] = [row[~np.isnan(row)] for row in rows]
    panel, actual = Panel.of(parts["train"]), np.stack(parts["test"])
    m4 = {"horizon": 48, "season": [24, 168], "choose": {"by": "smape", "backtests": 2}}
    measure("M4 hourly, rules", panel, actual, {**m4, "candidates": RULES})
    measure("M4 hourly, rules and global", panel, actual, {**m4, "candidates": {**RULES, "global": {}}})


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    main()
