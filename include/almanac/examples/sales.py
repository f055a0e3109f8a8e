"""Made-up weekly sales of a retailer's stores: a forecast for each. No number is of any real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

STORES, WEEKS, SEED = 20, 160, 2026
NEWEST = datetime(2024, 11, 25, tzinfo=UTC)
CLOSED, NEW = "S19", "S20"  # one has closed ten weeks ago, one is open for half a year


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


def make_files() -> dict[str, str]:
    """`sales.csv`."""
    return {"sales.csv": make_sales().write_csv()}
