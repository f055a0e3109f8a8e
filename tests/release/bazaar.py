"""A model with a learnt category, a text and a function of its own, in a folder of models, and a small world for it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from almanac.config.files.loader import load_model
from almanac.config.files.profile import DEFAULTS
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model

NAME = "bazaar"
START = datetime(2023, 1, 1, tzinfo=UTC)
BAZAAR = """
title: Sold out at the bazaar
description: Whether a stall is sold out an hour later.
owner: tests
dataset:
  time: Hour
  step: 1h
  key: [Hour]
  origin: made by this test
  licence: none needed
  columns:
    Hour: {type: timestamp}
    Stall: {type: string, nullable: true}
    Note: {type: string, nullable: true}
    Price: {type: float}
    Sold: {type: string, values: ["yes", "no"]}
label: {name: sold_out, column: Sold, equals: "yes", horizon: 1h}
features:
  - {column: Stall, encode: target}
  - {text: Note, hash: 32, ngrams: [1, 1], by: word}
  - {own: [below_usual, dear], columns: [Price], history: 6h}
train:
  metric: f1_macro
  backtest: {folds: 3, fold: 20d, min_train_rows: 500}
  candidates:
    linear: {estimator: sklearn.linear_model.LogisticRegression, scale: true, params: {}}
gates:
  absolute: {f1_macro: 0.6}
  baselines: {metric: f1_macro, margin: 0.01, kinds: [majority, persistence, stump]}
  champion: {metric: f1_macro, max_loss: 0.1, resamples: 100, confidence: 0.95}
  segments: {by: hour_of_day, metric: f1_macro, max_loss: 0.3, min_rows: 20}
score: {window: 1d}
shadow: {rows: 500, then: promote}
monitor:
  window: 20d
  drift: {min_rows: 300}
  performance: {metric: f1_macro, max_loss: 0.1, min_rows: 100}
"""
CODE = """\
import polars as pl


def features(rows: pl.DataFrame) -> pl.DataFrame:
    price = pl.col("Price")
    return rows.select(
        below_usual=price.rolling_mean_by("Hour", "6h") - price,
        dear=price > 12,
    )
"""


def declare_bazaar(folder: Path, code: str = CODE) -> Model:
    """Write the YAML file and the function beside it, and read them as every process does."""
    folder.mkdir(exist_ok=True)
    shutil.copy(MODELS_FOLDER / DEFAULTS, folder)
    path = folder / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(BAZAAR)), "utf-8")
    path.with_suffix(".py").write_text(code, "utf-8")
    return load_model(path)


def make_bazaar(count: int, seed: int = 1, start: datetime = START, turn: float = 1.0) -> pl.DataFrame:
    """Hours in which stall, word and a price below the usual one each say a part; `turn` -1: the opposite of it."""
    draw = np.random.default_rng(seed)
    which = draw.integers(0, 30, count)
    rate = np.random.default_rng(0).uniform(-2, 2, 30)
    word = draw.integers(0, 4, count)
    price = draw.normal(10, 2, count)
    usual = pl.Series(price).rolling_mean(6, min_samples=1).to_numpy()
    score = turn * (rate[which] + np.array([2.0, -2.0, 0.0, 0.0])[word] + 1.2 * (usual - price))
    sold = np.roll(draw.uniform(0, 1, count) < 1 / (1 + np.exp(-2 * score)), 1)
    notes = np.array(["Fresh today", "a bit old", "by the gate", ""])[word]
    return pl.DataFrame(
        {
            "Hour": pl.datetime_range(start, start + timedelta(hours=count - 1), "1h", time_unit="us", eager=True),
            "Stall": [None if draw.random() < 0.05 else f"stall {one}" for one in which],
            "Note": [note or None for note in notes],
            "Price": price,
            "Sold": np.where(sold, "yes", "no"),
        },
        schema_overrides={"Stall": pl.String, "Note": pl.String},
    )
