"""A model whose label is a number, and a small world for it: the load of a grid, four hours ahead."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import yaml

from almanac.config.files.loader import load_model
from almanac.config.files.profile import DEFAULTS
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model

START = datetime(2023, 1, 1, tzinfo=UTC)
HOURS = 24 * 200
NOW = START + timedelta(hours=HOURS)
LOAD = """
title: Load of the grid
description: Megawatts, four hours ahead.
owner: tests
dataset:
  time: Hour
  step: 1h
  key: [Hour]
  origin: made by this test
  licence: none needed
  columns:
    Hour: {type: timestamp}
    Temperature: {type: float}
    Load: {type: float, unit: MW}
label: {name: load_in_4h, column: Load, horizon: 4h}
features:
  - {column: Temperature}
  - {column: Load}
  - {column: Load, lag: 20h}
  - {time: hour_of_day}
train:
  backtest: {folds: 3, fold: 30d, min_train_rows: 500}
  candidates:
    ridge: {estimator: sklearn.linear_model.Ridge, scale: true, params: {}}
    forest:
      estimator: sklearn.ensemble.RandomForestRegressor
      scale: false
      params: {n_estimators: 10, max_depth: 8, n_jobs: 2}
    blind: {estimator: sklearn.linear_model.Ridge, scale: true, params: {alpha: 1.0e+9}}
gates:
  absolute: {rmse: 60, r2: 0.5}
  baselines: {metric: rmse, margin: 5, kinds: [mean, persistence, day_ago, stump]}
  champion: {metric: rmse, max_loss: 2, resamples: 100, confidence: 0.95}
  segments: {by: hour_of_day, metric: rmse, max_loss: 5, min_rows: 20}
monitor:
  performance: {metric: rmse, max_loss: 20, min_rows: 200}
"""


def load_yaml(text: str, **sections: Any) -> Model:
    """The model that the text declares, on top of the shipped defaults; `sections` are laid over it."""
    values = yaml.safe_load(text)
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    with TemporaryDirectory() as folder:
        shutil.copy(MODELS_FOLDER / DEFAULTS, folder)
        path = Path(folder) / "load.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
        return load_model(path)


def make_load(count: int, seed: int = 1, start: datetime = START, level: float = 500.0) -> pl.DataFrame:
    """Hours whose load follows the clock and the cold of four hours before."""
    draw = np.random.default_rng(seed)
    hours = np.arange(count)
    temperature = 10 + 8 * np.sin(hours / 120) + draw.normal(0, 2, count)
    cold = np.roll(np.maximum(16 - temperature, 0), 4)
    load = level + 120 * np.sin(2 * np.pi * hours / 24) + 15 * cold + draw.normal(0, 15, count)
    return pl.DataFrame(
        {
            "Hour": pl.datetime_range(start, start + timedelta(hours=count - 1), "1h", time_unit="us", eager=True),
            "Temperature": temperature,
            "Load": load,
        }
    )
