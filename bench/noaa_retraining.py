"""Does retraining pay? Fifty years of daily weather, predicted two years at a time.

    python -m bench.noaa_retraining [weather.csv]

The stream benchmark of Elwell and Polikar (2011), "Incremental learning of concept drift in nonstationary
environments", IEEE Trans. Neural Networks 22(10): 18,159 days from 1949 on, eight figures a day without names, rain on
31.4 % of days. Each step is predicted by gradient boosting that was trained

- once, on the first ten years (static),
- on everything before the step (retrained),
- on the ten years before it (sliding),

all through the project's own features, labels, backtest and measures. The file has no dates and its target is of the
row itself: the days are numbered from 1 January 1949, and a row's column `rain` says what the day *before* had, so that
the label, a day ahead, is the file's target, and persistence is persistence.
"""

import argparse
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import yaml

from almanac.config.files.loader import load_model
from almanac.config.files.profile import DEFAULTS
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.statistics.bootstrap import ConfidenceInterval, paired_interval
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import split
from almanac.training.fit.fitting import fit, predict
from almanac.training.train import train_candidate
from tests.data.real_data import REAL_DATA

NOAA = REAL_DATA / "noaa_weather" / "weather.csv"
START = datetime(1949, 1, 1, tzinfo=UTC)
STEPS, STEP, FIRST = 19, 730, 3650
FEATURES = [f"feat_{number}" for number in range(1, 9)]
METRIC = "accuracy"
DECLARED = f"""
title: Rain tomorrow
description: A stream benchmark, fifty years of days.
owner: bench
dataset:
  time: Day
  step: 1d
  key: [Day]
  origin: NOAA, Offutt Air Force Base, as a stream benchmark
  licence: none stated
  columns:
    Day: {{type: timestamp}}
    rain: {{type: string, values: ['yes', 'no']}}
label: {{name: rain_tomorrow, column: rain, equals: 'yes', horizon: 1d}}
train:
  backtest: {{folds: {STEPS}, fold: {STEP}d, min_train_rows: 3000}}
  metric: {METRIC}
  candidates:
    boosting: {{estimator: sklearn.ensemble.GradientBoostingClassifier, scale: false, params: {{}}}}
gates:
  absolute: {{{METRIC}: 0.5}}
  baselines: {{metric: {METRIC}, margin: 0.02, kinds: [majority, persistence, year_ago, stump]}}
  champion: {{metric: {METRIC}, max_loss: 0.02, resamples: 500, confidence: 0.95}}
  segments: {{by: season, metric: {METRIC}, max_loss: 0.05, min_rows: 30}}
monitor:
  performance: {{metric: {METRIC}, max_loss: 0.05, min_rows: 100}}
"""


@dataclass(frozen=True)
class Curve:
    """One row for each predicted day: its step, label, and what each way of training says."""

    rows: pl.DataFrame
    seconds: dict[str, float]

    def accuracy(self, way: str, rows: pl.DataFrame | None = None) -> float:
        """Of one way of training, or of `persistence`."""
        rows = self.rows if rows is None else rows
        return float(((rows[way] >= 0.5) == (rows["label"] == 1)).mean())

    def gain(self, way: str, over: str) -> ConfidenceInterval:
        """How much better one way is than another, with a 95 % interval."""
        rows = self.rows.with_columns(pl.col(way).alias("answer"))
        return paired_interval(METRIC, rows, rows[over].to_numpy(), resamples=500, confidence=0.95, seed=1)


def declared(**train: object) -> Model:
    """The benchmark as a model, as one would declare it."""
    values = yaml.safe_load(DECLARED)
    values["dataset"]["columns"] |= {name: {"type": "float"} for name in FEATURES}
    values["features"] = [{"column": name} for name in FEATURES]
    values["train"] |= train
    with TemporaryDirectory() as folder:
        shutil.copy(MODELS_FOLDER / DEFAULTS, folder)
        path = Path(folder) / "noaa.yaml"
        path.write_text(yaml.safe_dump(values), "utf-8")
        return load_model(path)


def read(path: Path = NOAA) -> pl.DataFrame:
    """The days, dated; `rain` is that of the day before."""
    raw = pl.read_csv(path)
    days = pl.datetime_range(START, START + timedelta(days=raw.height - 1), "1d", time_unit="us", eager=True)
    rain = pl.when(pl.col("target") == 1).then(pl.lit("yes")).otherwise(pl.lit("no")).shift(1).alias("rain")
    frame = raw.select(pl.col(FEATURES).cast(pl.Float64), rain).with_columns(days.alias("Day"))
    after = {"Day": START + timedelta(days=raw.height), "rain": "yes" if raw["target"][-1] == 1 else "no"}
    return pl.concat([frame, pl.DataFrame([after], schema_overrides={"Day": frame.schema["Day"]})], how="diagonal")


def replay(frame: pl.DataFrame) -> Curve:
    """Predict each step in the three ways."""
    now, seconds = frame["Day"].max(), {}
    started = time.perf_counter()
    expanding = train_candidate(declared(), frame, now=now).rows
    seconds["retrained"] = time.perf_counter() - started
    started = time.perf_counter()
    sliding = train_candidate(declared(window=f"{FIRST}d"), frame, now=now).rows
    seconds["sliding"] = time.perf_counter() - started
    started = time.perf_counter()
    model = declared()
    rows = labelled_rows(model, frame, now=now)
    folds = split(model, rows.times)
    pipeline = fit(model, "boosting", None, rows, folds[0].train)
    static = np.concatenate([predict(pipeline, rows.values[fold.test]) for fold in folds])
    seconds["static"] = time.perf_counter() - started
    return Curve(
        expanding.rename({"answer": "retrained"}).with_columns(
            sliding["answer"].alias("sliding"), pl.Series("static", static)
        ),
        seconds,
    )


def main(path: Path) -> None:
    curve = replay(read(path))
    ways = ("persistence", "static", "retrained", "sliding")
    print(f"{'from':<8}" + "".join(f"{way:>12}" for way in ways))
    for (_,), part in curve.rows.group_by("fold", maintain_order=True):
        print(f"{part['time'].min():%Y-%m} " + "".join(f"{curve.accuracy(way, part):>12.3f}" for way in ways))
    print(f"{'all':<8}" + "".join(f"{curve.accuracy(way):>12.3f}" for way in ways))
    for way in ("retrained", "sliding"):
        gain = curve.gain(way, "static")
        print(f"{way} over static: {gain.observed:+.4f}, 95% interval {gain.low:+.4f} to {gain.high:+.4f}")
    print({way: f"{seconds:.0f} s" for way, seconds in curve.seconds.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, nargs="?", default=NOAA)
    main(parser.parse_args().source)
