"""Made-up bicycles rented per hour: a number, with a day, a week, a season and the weather in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

HOURS, SEED = 24 * 500, 2028
START = datetime(2024, 1, 1, tzinfo=UTC)


def make_rentals(hours: int = HOURS, seed: int = SEED) -> pl.DataFrame:
    """`time` (UTC), `temperature` (degrees Celsius), `rain` (yes or no) and `rentals`; rain comes in spells."""
    import numpy as np
    import polars as pl

    draw, at = np.random.default_rng(seed), np.arange(hours)
    hour, weekday, day = at % 24, at // 24 % 7, at / 24
    spells = np.repeat(draw.random(hours // 6 + 1) < 0.2, 6)[:hours]
    temperature = 9 - 11 * np.cos(2 * np.pi * (day - 20) / 365) + 4 * np.sin(2 * np.pi * (hour - 9) / 24)
    temperature = (temperature + draw.normal(0, 1.5, hours)).round(1)
    work = np.exp(-(((hour - 8) / 1.5) ** 2)) + np.exp(-(((hour - 17) / 2) ** 2))
    leisure = np.exp(-(((hour - 14) / 4) ** 2))
    wanted = 20 + 160 * np.where(weekday < 5, work, leisure)
    wanted = wanted * (0.4 + 0.03 * np.clip(temperature, 0, 25)) * np.where(spells, 0.5, 1.0)
    return pl.DataFrame(
        {
            "time": [f"{START + timedelta(hours=int(one)):%Y-%m-%dT%H:%M:%SZ}" for one in at],
            "temperature": temperature,
            "rain": np.where(spells, "yes", "no"),
            "rentals": draw.poisson(wanted),
        }
    )


def make_files() -> dict[str, str]:
    """`rentals.csv`."""
    return {"rentals.csv": make_rentals().write_csv()}
