"""Makes up the weekly sales of a retailer's stores, and the declaration of their forecast.

`python -m demo.retail_sales FOLDER` writes `sales.csv` and `sales.yaml`. No number is of any real store.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.sample.weather_files import write_csv

if TYPE_CHECKING:
    import polars as pl

STORES, WEEKS, SEED = 20, 160, 2026
NEWEST = datetime(2024, 11, 25, tzinfo=UTC)
CLOSED, NEW = "S19", "S20"  # one has closed ten weeks ago, one is open for half a year
DECLARATION = """\
# Weekly sales of each store, twelve weeks ahead. `_defaults.yaml` beside this file says what is not said here.
kind: forecast
title: Weekly sales
description: Sales of each store in each of the next twelve weeks, for orders and rosters.
owner: retail-planning

dataset:
  time: Date
  step: 7d
  key: [Store, Date]
  origin: Made up by demo/retail_sales.py; no number is of any real store.
  licence: Made by this project; free to use with it.
  columns:
    Store: {type: string}
    Date: {type: timestamp, format: "%Y-%m-%d", timezone: UTC, description: Monday of the week}
    Weekly_Sales: {type: float, min: 0, unit: EUR}

forecast:
  target: Weekly_Sales
  grain: [Store]
  horizon: 12
  season: [52]
  candidates: {naive: {}, drift: {}, level: {}, seasonal_mean: {seasons: [2]}, ridge: {lags: 26}, theta: {}}
  choose: {by: mase, backtests: 3, ensemble: [mean, median]}
  intervals: [0.8, 0.95]
  limits: {min: 0}
"""


def make_sales() -> pl.DataFrame:
    """`Store`, `Date` (a text) and `Weekly_Sales`: a trend, a summer, a Christmas and noise, each store its own."""
    import numpy as np
    import polars as pl

    draw, steps, parts = np.random.default_rng(SEED), np.arange(WEEKS), []
    dates = [NEWEST - timedelta(weeks=WEEKS - 1 - int(step)) for step in steps]
    week = np.array([date.isocalendar().week for date in dates])
    for number in range(1, STORES + 1):
        level, growth, summer, christmas = draw.uniform((8e3, -0.05, 0.0, 0.2), (6e4, 0.12, 0.15, 0.9))
        shape = 1 + summer * np.sin(2 * np.pi * (week - 13) / 52) + christmas * np.exp(-(((week - 51) / 2.5) ** 2))
        sales = level * (1 + growth * steps / 52) * shape * np.exp(draw.normal(0, 0.06, WEEKS))
        store = f"S{number:02}"
        kept = slice(0, WEEKS - 10) if store == CLOSED else slice(WEEKS - 26, WEEKS) if store == NEW else slice(None)
        texts = [f"{date:%Y-%m-%d}" for date in dates]
        parts.append(pl.DataFrame({"Store": store, "Date": texts, "Weekly_Sales": sales.round(2)})[kept])
    return pl.concat(parts)


def write_example(folder: Path) -> tuple[Path, Path]:
    """Write both files; a folder that is missing is made."""
    rows = write_csv(make_sales(), folder / "sales.csv")
    declaration = folder / "sales.yaml"
    declaration.write_text(DECLARATION, "utf-8")
    return declaration, rows


if __name__ == "__main__":
    for written in write_example(Path(sys.argv[1])):
        print(f"{written}: written")
