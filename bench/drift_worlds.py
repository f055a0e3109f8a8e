"""Tables of 20 numbers and 5 texts for the drift benchmarks: quiet, jittered, shifted, in wrong units, stuck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model

TIME = "Timestamp"
START = datetime(2022, 1, 1, tzinfo=UTC)
NUMBERS = tuple(f"n{place:02}" for place in range(20))
TEXTS = tuple(f"t{place:02}" for place in range(5))
CATEGORIES = (2, 3, 5, 12, 60)
SHIFTED = ("n00", "n07", "n11")  # a normal, a heavy-tailed and a skewed one
SCENARIOS = ("quiet", "jitter .05 sd", "shift .3 sd in 3", "unit error in 1", "stuck in 1")


def declared() -> Model:
    """A model of these columns with the defaults of `_defaults.yaml`, without seasons."""
    base = find_model(MODELS_FOLDER, "weather").model_dump()
    base["dataset"]["columns"] |= {name: {"type": "float"} for name in NUMBERS}
    base["dataset"]["columns"] |= {name: {"type": "string"} for name in TEXTS}
    base["monitor"]["drift"] |= {"season": "none", "false_discovery_rate": 0.01}
    return Model.model_validate(base)


def table(rng: np.random.Generator, rows: int, scenario: str = "quiet", start: datetime = START) -> pl.DataFrame:
    """Independent rows: 7 normal, 4 heavy-tailed, 5 skewed, 3 zero-inflated and 1 binary number, and 5 texts."""
    columns = {name: _numbers(rng, place, rows) for place, name in enumerate(NUMBERS)}
    for name, values in columns.items():
        columns[name] = _changed(rng, name, values, scenario)
    times = pl.datetime_range(start, start + timedelta(hours=rows - 1), "1h", time_unit="us", eager=True)
    texts = {name: _texts(rng, size, rows) for name, size in zip(TEXTS, CATEGORIES, strict=True)}
    return pl.DataFrame({TIME: times, **columns, **texts})


def _numbers(rng: np.random.Generator, place: int, rows: int) -> np.ndarray:
    if place < 7:
        return rng.normal(10 * place, 1 + place, rows)
    if place < 11:
        return rng.standard_t(4, rows)
    if place < 16:
        return rng.gamma(2, 3, rows)
    if place < 19:
        return np.where(rng.random(rows) < 0.6, 0.0, rng.gamma(2, 3, rows))
    return (rng.random(rows) < 0.3).astype(float)


def _changed(rng: np.random.Generator, name: str, values: np.ndarray, scenario: str) -> np.ndarray:
    if scenario == "jitter .05 sd" and name != NUMBERS[-1]:
        return values + rng.choice([-0.05, 0.05]) * values.std()
    if scenario == "shift .3 sd in 3" and name in SHIFTED:
        return values + 0.3 * values.std()
    if scenario == "unit error in 1" and name == SHIFTED[0]:
        return values * 1.8 + 32
    if scenario == "stuck in 1" and name == SHIFTED[0]:
        return np.full(len(values), values[0])
    return values


def _texts(rng: np.random.Generator, size: int, rows: int) -> np.ndarray:
    weights = 1 / np.arange(1, size + 1)
    return np.array([f"c{number:02}" for number in range(size)])[rng.choice(size, rows, p=weights / weights.sum())]
