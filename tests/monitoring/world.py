"""A small world for scoring and monitoring: synthetic weather, a real graph, a registry in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_table import read_table
from almanac.features.features import build_features
from almanac.features.labels import labels
from almanac.registry.records import ModelVersion
from almanac.sample.weather_generator import TODAY, generate_hours
from almanac.statistics.profiling import build_profile
from almanac.training.export.export import export_onnx
from almanac.training.fit.candidates import build_pipeline
from tests.data.parts import publish_rows

if TYPE_CHECKING:
    from pathlib import Path

    from almanac.config.schema import Model
    from almanac.sample.climate import Climate

WEATHER = find_model(MODELS_FOLDER, "weather")
START = datetime(2022, 1, 1, tzinfo=UTC)
TRAINED_UNTIL = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def changed(model: Model, place: str, **values: Any) -> Model:
    """The model with some values of one section changed: `changed(model, "monitor.drift", season="none")`."""
    declared = model.model_dump()
    section = declared
    for step in place.split("."):
        section = section[step]
    section.update(values)
    return type(model).model_validate(declared)


def hours(start: datetime, until: datetime, *, seed: int = 2026, climate: Climate = TODAY) -> pl.DataFrame:
    frame = generate_hours(start, (until - start) // HOUR, seed=seed, climate=climate)
    time = pl.col("Timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%:z", time_zone="UTC")
    return frame.with_columns(time.cast(pl.Datetime("us", "UTC")))


@cache
def reference() -> pl.DataFrame:
    return hours(START, TRAINED_UNTIL)


@cache
def champion_files() -> tuple[bytes, str]:
    """A graph that was trained on the rows before the last 300 days, and the profile of all rows."""
    frame = reference()
    matrix = build_features(WEATHER, frame)
    truth = labels(WEATHER, frame, now=NOW).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    cut = frame.height - 300 * 24
    pipeline = build_pipeline(WEATHER, "logistic")
    pipeline.fit(matrix.values[:cut], truth[:cut].astype(int))
    probabilities = np.full(frame.height, np.nan)
    probabilities[cut:] = pipeline.predict_proba(matrix.values[cut:])[:, 1]
    profile = build_profile(WEATHER, frame, probabilities=probabilities, labels=truth)
    return export_onnx(WEATHER, pipeline, matrix.names), profile.to_json()


@dataclass
class MemoryRegistry:
    """What `almanac.scoring.port.ChampionRegistry` asks for, without MLflow."""

    number: str | None = "1"
    aliases: dict[str, str] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    others: list[ModelVersion] = field(default_factory=list)

    def champion(self, model: str) -> ModelVersion | None:
        return None if self.number is None else ModelVersion(model, f"run{self.number}", {}, version=self.number)

    def versions(self, model: str) -> list[ModelVersion]:
        return self.others

    def by_alias(self, model: str, alias: str) -> ModelVersion | None:
        number = self.aliases.get(alias)
        return None if number is None else ModelVersion(model, f"run{number}", {}, version=number)

    def load_onnx(self, version: ModelVersion) -> bytes:
        self.loaded.append(version.version)
        return champion_files()[0]

    def load_profile(self, version: ModelVersion) -> str:
        return champion_files()[1]


@dataclass
class World:
    """One home with a dataset; `publish` makes time pass."""

    home: Home
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    batches: int = 0

    @classmethod
    def at(cls, folder: Path) -> World:
        return cls(Home(home=folder))

    @property
    def dataset(self) -> DatasetTable:
        return DatasetTable.of(self.home, WEATHER)

    def publish(self, frame: pl.DataFrame) -> int:
        self.batches += 1
        rows = frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        return publish_rows(self.dataset, rows, f"batch{self.batches}")

    def replace(self, frame: pl.DataFrame, replaced: pl.DataFrame) -> int:
        """Publish corrected rows in the place of others, given by `_month`, `_batch` and `_row`."""
        self.batches += 1
        rows = frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        return publish_rows(self.dataset, rows, f"batch{self.batches}", replaced=[replaced])

    def predictions(self) -> pl.DataFrame:
        return read_table(self.home.predictions_of("weather"))
