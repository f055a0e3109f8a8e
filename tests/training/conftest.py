"""A small model and a small world, so that a training takes tenths of a second."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model

START = datetime(2023, 1, 1, tzinfo=UTC)
HOURS = 24 * 400
NOW = START + timedelta(hours=HOURS)


@pytest.fixture(scope="session")
def weather() -> Model:
    return load_model(Path(MODELS_FOLDER) / "weather.yaml")


@pytest.fixture(scope="session")
def small(weather: Model) -> Model:
    """The weather model with three candidates that are quick to fit, and four folds of 30 days."""
    declared = weather.model_dump()
    declared["train"]["backtest"] = {"folds": 4, "fold": "30d", "min_train_rows": 1000}
    declared["train"]["candidates"] = {
        "logistic": {
            "estimator": "sklearn.linear_model.LogisticRegression",
            "scale": True,
            "params": {"max_iter": 500},
        },
        "forest": {
            "estimator": "sklearn.ensemble.RandomForestClassifier",
            "scale": False,
            "params": {"n_estimators": 10, "max_depth": 6},
        },
        "blind": {
            "estimator": "sklearn.linear_model.LogisticRegression",
            "scale": True,
            "params": {"C": 1e-9},
        },
    }
    declared["gates"]["segments"].update({"by": "hour_of_day", "min_rows": 50, "required": (), "max_loss": 0.1})
    return Model.model_validate(declared)


@pytest.fixture(scope="session")
def change() -> Callable[..., Model]:
    """Declare a model again with one section changed: `change(model, "train.backtest", folds=3)`."""

    def changed(model: Model, place: str, **values: Any) -> Model:
        declared = model.model_dump()
        section = declared
        for step in place.split("."):
            section = section[step]
        section.update(values)
        return Model.model_validate(declared)

    return changed


@pytest.fixture(scope="session")
def frame() -> pl.DataFrame:
    return make_hours(HOURS)


def make_hours(count: int, seed: int = 1, start: datetime = START) -> pl.DataFrame:
    """Hours in which low pressure and high humidity together bring rain four hours later: no rule on one knows it."""
    draw = np.random.default_rng(seed)
    pressure = 1016 + 10 * np.sin(np.arange(count) / 11) + draw.normal(0, 2, count)
    humidity = draw.uniform(0.1, 1, count)
    wet = np.roll(pressure - 30 * humidity, 4) + draw.normal(0, 2, count) < 996
    return pl.DataFrame(
        {
            "Timestamp": pl.datetime_range(start, start + timedelta(hours=count - 1), "1h", time_unit="us", eager=True),
            "Location": ["Port"] * count,
            "Temperature_C": draw.normal(10, 5, count),
            "Apparent_Temperature_C": draw.normal(10, 5, count),
            "Humidity": humidity,
            "Wind_speed_kmph": draw.uniform(0, 40, count),
            "Wind_bearing_degrees": draw.integers(0, 360, count),
            "Visibility_km": draw.uniform(0, 16, count),
            "Pressure_millibars": pressure,
            "Weather_conditions": np.where(wet, "rain", "clear"),
        }
    )
