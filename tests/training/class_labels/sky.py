"""A model whose label is one of three classes, and a small world for it: the weather four hours ahead."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from almanac.config.schema import Model
from tests.training.number_labels.load import load_yaml

START = datetime(2023, 1, 1, tzinfo=UTC)
HOURS = 24 * 160
NOW = START + timedelta(hours=HOURS)
NAMES = ("rain", "snow", "clear")
SKY = """
title: Weather at the port
description: Rain, snow or clear, four hours ahead.
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
    Pressure: {type: float}
    Weather: {type: string, nullable: true}
label: {name: weather_in_4h, column: Weather, classes: [rain, snow, clear], horizon: 4h}
features:
  - {column: Temperature}
  - {column: Pressure}
  - {column: Pressure, change: 3h}
  - {column: Weather, one_of: [rain, snow]}
train:
  metric: f1_macro
  backtest: {folds: 3, fold: 30d, min_train_rows: 500}
  candidates:
    forest:
      estimator: sklearn.ensemble.RandomForestClassifier
      scale: false
      params: {n_estimators: 10, max_depth: 6, n_jobs: 1}
    logistic: {estimator: sklearn.linear_model.LogisticRegression, scale: true, params: {}}
gates:
  absolute: {f1_macro: 0.6, worst_recall: 0.4, log_loss: 0.9}
  baselines: {metric: f1_macro, margin: 0.02, kinds: [majority, persistence, day_ago, stump]}
  champion: {metric: f1_macro, max_loss: 0.05, resamples: 100, confidence: 0.95}
  segments: {by: hour_of_day, metric: accuracy, max_loss: 0.2, min_rows: 20}
monitor:
  performance: {metric: f1_macro, max_loss: 0.1, min_rows: 100}
"""


def sky(**sections: Any) -> Model:
    """The model; `sections` are laid over it."""
    return load_yaml(SKY, **sections)


def make_sky(count: int, seed: int = 1, start: datetime = START, shift: int = 4) -> pl.DataFrame:
    """Hours whose weather follows pressure and temperature of `shift` hours before: no rule on one column knows it."""
    draw = np.random.default_rng(seed)
    hours = np.arange(count)
    pressure = 1013 + 12 * np.sin(hours / 9) + draw.normal(0, 2, count)
    temperature = 1 + 6 * np.sin(hours / 31) + draw.normal(0, 1, count)
    low, cold = np.roll(pressure, shift) + draw.normal(0, 1.5, count) < 1008, np.roll(temperature, shift) < 0
    return pl.DataFrame(
        {
            "Hour": pl.datetime_range(start, start + timedelta(hours=count - 1), "1h", time_unit="us", eager=True),
            "Temperature": temperature,
            "Pressure": pressure,
            "Weather": np.where(low, np.where(cold, "snow", "rain"), "clear"),
        }
    )
