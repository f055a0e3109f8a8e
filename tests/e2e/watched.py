"""A home in which two versions of a model are in the registry, and time passes: what end-to-end tests watch."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import yaml

from almanac.config.credentials import ADMIN
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.records import PASSED, Tag
from almanac.registry.store import Registry
from almanac.release.promotion import promote
from almanac.sample.weather_generator import CHANGED_CLIMATE, TODAY
from almanac.scoring.predictions import PredictionTable
from almanac.scoring.score import score_new_windows
from almanac.training.training_run import train
from tests.data.parts import publish_rows
from tests.e2e.conftest import sweep_yearly
from tests.monitoring.world import hours

if TYPE_CHECKING:
    from pathlib import Path

    from almanac.config.schema import Model
    from almanac.services.services import Services

BEGIN, TRAINED_UNTIL = datetime(2022, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
MAIL = {"channels": {"mail": {"kind": "smtp", "connection": "almanac_smtp", "recipients": ["port@example.org"]}}}
# One quick candidate; and a retrain is asked for but never granted, so that the answer is all that happens.
TRAIN = {
    "candidates": {
        "logistic": {"estimator": "sklearn.linear_model.LogisticRegression", "scale": True, "params": {"max_iter": 300}}
    },
    "policy": {"min_fresh_labelled_rows": 1_000_000},
}
# No run of several tasks keeps a second; and the tests say when the monitor looks.
PIPELINES = {"train": {"deadline": "1s"}, "monitor": {"when": "schedule"}}
ACTIONS = {
    "drift": ["notify", "ask"],
    "performance": ["notify", "ask"],
    "segments": [],
    "better": [],
    "running": "notify",
}


def declare(root: Path) -> Home:
    """The weather, watched by the window of a month, with mail; a person is asked about what lasts."""
    models = root / "models"
    shutil.copytree(MODELS_FOLDER, models)
    sweep_yearly(models / "_installation.yaml")
    declared = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    declared["train"] = {**declared["train"], **TRAIN}
    declared["monitor"] = {**declared["monitor"], "actions": ACTIONS, "rivals": {"versions": 0}}
    declared["alerts"] = MAIL
    declared["pipelines"] = PIPELINES
    (models / "weather.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    return Home(home=root, models=models)


def publish_hours(home: Home, since: datetime, until: datetime, batch: str, *, climate_changed: bool = False) -> None:
    """Publish generated weather."""
    frame = hours(since, until, climate=CHANGED_CLIMATE if climate_changed else TODAY)
    rows = frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    publish_rows(DatasetTable.of(home, find_model(home.models, "weather")), rows, batch)


@dataclass
class Watched:
    """The home, its registry, and the hours that have passed in it."""

    home: Home
    registry: Registry
    until: datetime = TRAINED_UNTIL
    batches: int = field(default=0)

    @classmethod
    def of(cls, services: Services) -> Watched:
        """Fill the home: two years of weather, a champion and the version before it."""
        os.environ |= {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": services.mlflow_password}
        world = cls(services.home, Registry(services.mlflow_url))
        world.publish(BEGIN, TRAINED_UNTIL)
        world.crown_two()
        return world

    @property
    def model(self) -> Model:
        return find_model(self.home.models, "weather")

    @property
    def journal(self) -> Journal:
        return Journal(self.home.journal_url)

    def publish(self, since: datetime, until: datetime, *, climate_changed: bool = False) -> None:
        self.batches += 1
        publish_hours(self.home, since, until, f"batch{self.batches}", climate_changed=climate_changed)

    def crown_two(self) -> None:
        """Versions 1 and 2 from one training, as if the gates had passed both; 2 is champion."""
        run, now, model = RunRef("train_weather", "seed", 1, "seed"), datetime.now(UTC), self.model
        logged = train(
            model,
            self.home,
            self.registry,
            reason="seed",
            run=run,
            now=now,
            candidates=None,
            overrides=None,
            on_progress=print,
        )
        tags = {**self.registry.logged(logged).tags, Tag.GATES: PASSED}
        ours = {str(name): text for name, text in tags.items() if name.startswith("almanac.")}
        self.registry.client.create_registered_model(model.name)
        for number in ("1", "2"):
            self.registry.client.create_model_version(model.name, f"runs:/{logged}/model", logged, tags=ours)
            promote(self.registry, model, number, reason="seed", run=run, journal=self.journal, now=now)

    def time_passes(self, days: int, *, climate_changed: bool = False) -> None:
        """New hours are published and scored."""
        since, self.until = self.until, self.until + timedelta(days=days)
        self.publish(since, self.until, climate_changed=climate_changed)
        self.score()

    def score(self) -> None:
        """Let the champion score what it has not."""
        run = RunRef("score_weather", "seed")
        score_new_windows(self.model, self.home, self.registry, run=run, now=datetime.now(UTC))

    def scored(self, version: str) -> bool:
        """Whether a version has scored the newest hours that can be."""
        newest = PredictionTable.of(self.home, self.model).newest(version)
        return newest is not None and newest >= self.until - timedelta(days=1)

    def champion(self) -> str:
        return self.registry.aliases("weather")["champion"]
