"""A made-up table without a time, patients of a hospital, and an installation in which deliveries of it arrive."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from almanac.config.schema import Model
from almanac.data.ingest.ingest import IngestSummary
from almanac.journal.records import Decision, RunRef
from almanac.registry.records import Logged
from almanac.registry.store import Registry
from almanac.release.promotion import promote, register
from almanac.release.run_judgement import judge
from almanac.training.training_run import decide_mode, train
from tests.data.installation import Site
from tests.training.number_labels.load import load_yaml

FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
PATIENTS = """
title: Patients
description: Whether a patient is ill.
owner: tests
source: {settle: 1s}
dataset:
  time: arrival
  key: [patient]
  origin: made by this test
  licence: none needed
  columns:
    patient: {type: integer}
    ward: {type: string, values: [north, south]}
    age: {type: integer, min: 0, max: 120}
    pressure: {type: float, nullable: true}
    glucose: {type: float}
    ill: {type: string, values: ["yes", "no"], nullable: true, optional: true}
label: {name: is_ill, column: ill, equals: "yes"}
features:
  - {column: ward, one_of: [north, south]}
  - {column: age}
  - {column: pressure}
  - {column: glucose}
train:
  policy: {min_new_labelled_rows: 1, min_fresh_labelled_rows: 1}
  backtest: {folds: 3, share: 0.2, min_train_rows: 200}
  candidates:
    linear: {estimator: sklearn.linear_model.LogisticRegression, scale: true}
    blind: {estimator: sklearn.linear_model.LogisticRegression, scale: true, params: {C: 1.0e-9}}
gates:
  absolute: {f1_macro: 0.6}
  baselines: {metric: f1_macro, margin: 0.01, kinds: [majority, stump]}
  champion: {metric: f1_macro, max_loss: 0.1, resamples: 100, confidence: 0.95}
  segments: {by: ward, metric: f1_macro, max_loss: 0.1, min_rows: 20}
  calibration: {min_rows: 50}
monitor:
  window: 1d
  drift: {min_rows: 50}
  performance: {metric: f1_macro, max_loss: 0.2, min_rows: 30, min_class_rows: 5}
"""


def patients_model(**sections: Any) -> Model:
    """The model, some sections changed."""
    return load_yaml(PATIENTS, **sections)


def make_patients(count: int, *, seed: int = 1, first: int = 1) -> pl.DataFrame:
    """Patients of whom the older with much glucose are ill: no rule on one column knows it.

    Args:
        count: how many.
        seed: of what is drawn.
        first: number of the first one.
    """
    draw = np.random.default_rng(seed)
    age, glucose = draw.integers(18, 90, count), draw.normal(100, 25, count).round(1)
    pressure = draw.normal(120, 15, count).round(1)
    ill = (age - 54) / 20 + (glucose - 100) / 25 + draw.normal(0, 0.5, count) > 0
    return pl.DataFrame(
        {
            "patient": np.arange(first, first + count),
            "ward": draw.choice(["north", "south"], count),
            "age": age,
            "pressure": pl.Series(pressure).set(pl.Series(draw.random(count) < 0.05), None),
            "glucose": glucose,
            "ill": np.where(ill, "yes", "no"),
        }
    )


def as_csv(frame: pl.DataFrame) -> str:
    """The rows as a file."""
    buffer = io.BytesIO()
    frame.write_csv(buffer)
    return buffer.getvalue().decode()


class Hospital(Site):
    """An installation with a registry: `deliver` lands and ingests, `run` is one run of the train DAG."""

    def __init__(self, root: Path, model: Model, registry: Registry) -> None:
        super().__init__(root, model)
        self.registry, self.runs, self.deliveries = registry, 0, 0

    def deliver(self, frame: pl.DataFrame | str, *, at: datetime) -> IngestSummary:
        """A file arrives."""
        self.deliveries += 1
        self.land(f"{self.deliveries}.csv", frame if isinstance(frame, str) else as_csv(frame))
        return self.ingest(now=at)

    def run(self, *, at: datetime, model: Model | None = None, mode: Any = None) -> tuple[Decision, Logged | None]:
        """The verdict of the gates and what they judged, or the refusal to train."""
        self.runs += 1
        model, run = model or self.model, RunRef("train", f"run{self.runs}")
        asked = decide_mode(
            model,
            self.home,
            self.journal,
            self.registry,
            trigger="manual",
            reason="a test",
            run=run,
            now=at,
            mode=mode,
        )
        if not asked.decision.accepted:
            return asked.decision, None
        logged = train(
            model,
            self.home,
            self.registry,
            reason="a test",
            run=run,
            now=at,
            candidates=None,
            overrides=None,
            on_progress=lambda _: None,
            mode=asked.mode,
        )
        verdict = judge(model, self.home, self.journal, self.registry, logged, run=run, now=at)
        return verdict, self.registry.logged(logged)

    def crown(self, logged: Logged, *, at: datetime) -> str:
        """Register what passed, and promote it."""
        run = RunRef("train", f"run{self.runs}")
        by: dict[str, Any] = {"journal": self.journal, "now": at}
        number = register(self.registry, self.model.name, logged.mlflow_run_id, run=run, **by).version
        promote(self.registry, self.model, number, reason="a test", run=run, **by)
        return number


def hospital(root: Path, registry: Registry, name: str, **sections: Any) -> Hospital:
    """One in a folder of its own, under a name that no other test has."""
    return Hospital(root, patients_model(**sections).model_copy(update={"name": name}), registry)
