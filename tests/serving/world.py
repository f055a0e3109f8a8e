"""A service of the shipped model on a small dataset: real graphs, a registry in memory that can be away."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import yaml
from starlette.testclient import TestClient

from almanac.config.home import MODELS_FOLDER, Home
from almanac.errors import IntegrityError, TransientError
from almanac.features.features import build_features
from almanac.features.labels import labels
from almanac.journal.journal import Journal
from almanac.registry.records import ModelVersion, Tag
from almanac.serving.app import make_app
from almanac.serving.service import Service
from almanac.training.export.export import export_onnx
from almanac.training.fit.candidates import build_pipeline
from tests.monitoring.world import TRAINED_UNTIL, World, champion_files, hours, reference

if TYPE_CHECKING:
    from pathlib import Path

    from almanac.config.schema import Model

DAY = timedelta(days=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = "crane"


@dataclass
class Versions:
    """Versions by number; the champion's alias; and whether anything answers."""

    graphs: dict[str, bytes] = field(default_factory=lambda: {"1": champion_files()[0]})
    champion: str | None = "1"
    away: bool = False

    def aliases(self, model: str) -> dict[str, str]:
        if self.away:
            raise TransientError("MLflow does not answer")
        return {} if self.champion is None else {"champion": self.champion}

    def version(self, model: str, number: str | int) -> ModelVersion:
        digest = hashlib.sha256(self.graphs[str(number)]).hexdigest()
        return ModelVersion(model, f"run{number}", {Tag.ONNX_SHA256: digest}, version=str(number))

    def load_onnx(self, version: ModelVersion) -> bytes:
        if not self.graphs[version.version]:
            raise IntegrityError(f"{version.model}@{version.version}: the graph is not what was registered")
        return self.graphs[version.version]


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


class Online:
    """A home, its service, and a client with a token.

    Args:
        folder: of the home.
        serve: the section `serve` of the model's YAML.
        declared: sections that replace those of the shipped model.
    """

    def __init__(self, folder: Path, serve: dict[str, Any] | None = None, **declared: Any) -> None:
        models = folder / "models"
        models.mkdir(parents=True)
        (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
        content = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
        content |= {"serve": serve or {}, **declared}
        (models / "weather.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
        self.home = Home(home=folder / "home", models=models)
        self.world = World(self.home)
        self.world.publish(hours(TRAINED_UNTIL - 5 * DAY, TRAINED_UNTIL))
        Journal(self.home.journal_url)
        self.versions, self.clock = Versions(), Clock()
        self.start()
        self.token = self.service.tokens.create(CALLER, models=("weather",), lasts=DAY, by="test", now=self.clock())

    def start(self) -> None:
        self.service = Service(self.home, self.versions, clock=self.clock)
        self.client = TestClient(make_app(self.service))
        self.service.refresh()

    def ask(self, *rows: dict[str, object], model: str = "weather", token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return self.client.post(f"/v1/models/{model}/predict", json={"rows": list(rows)}, headers=headers)


SKY = {"name": "sky_in_4h", "column": "Weather_conditions", "classes": ["rain", "snow", "clear"], "horizon": "4h"}
GATES = {
    "absolute": {"f1_macro": 0.4},
    "baselines": {"metric": "f1_macro", "margin": 0.02, "kinds": ["majority", "persistence"]},
    "champion": {"metric": "f1_macro", "max_loss": 0.05, "resamples": 100, "confidence": 0.95},
    "segments": {"by": "season", "metric": "accuracy", "max_loss": 0.2, "min_rows": 500},
}


def graph_of(model: Model) -> bytes:
    """The graph of a version of this declaration."""
    frame = reference()
    truth = labels(model, frame, now=NOW).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known, matrix = np.isfinite(truth), build_features(model, frame)
    pipeline = build_pipeline(model, "logistic")
    pipeline.fit(matrix.values[known], truth[known].astype(int))
    return export_onnx(model, pipeline, matrix.names)


def as_rows(frame: pl.DataFrame) -> list[dict[str, object]]:
    """Rows of the generator as a caller writes them."""
    return [{**row, "Timestamp": row["Timestamp"].isoformat()} for row in frame.iter_rows(named=True)]


def next_hours(count: int = 1) -> pl.DataFrame:
    """The hours after those that are published."""
    return hours(TRAINED_UNTIL, TRAINED_UNTIL + timedelta(hours=count))
