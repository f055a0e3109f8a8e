"""A model, and an evaluation of a candidate that passes all its gates."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from almanac.config.schema import Model
from almanac.config.sections.features import names_of
from almanac.features.features import build_features
from almanac.release.gates import Evaluation, Served
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import ParityReport
from almanac.training.fit.candidates import build_pipeline
from tests.release.gates.evaluations import DAYS, GOOD, HONEST, QUICK, START, mlmodel, rows
from tests.training.conftest import make_hours


@pytest.fixture(scope="session")
def weather(weather, change) -> Model:
    """The shipped model with all seasons of the backtest required, and no test of behaviour."""
    seasons = ("winter", "spring", "summer", "autumn")
    model = change(weather, "gates.segments", rows="backtest", required=seasons, min_rows=500)
    model = change(model, "gates.variation", ask_above=0.3)
    return change(change(model, "gates.champion", resamples=200), "gates", behaviour={})


@pytest.fixture(scope="session")
def served(small: Model) -> Served:
    """A logistic regression on hours of which the last 90 days are the hold-out."""
    frame = make_hours(DAYS * 24, start=START)
    matrix = build_features(small, frame)
    rain = (frame["Weather_conditions"] == "rain").to_numpy().astype(np.int64)
    pipeline = build_pipeline(small, "logistic").fit(matrix.values[:-4], rain[4:])
    holdout = np.arange(frame.height - 90 * 24, frame.height, dtype=np.uint32)
    return Served(export_onnx(small, pipeline, matrix.names), mlmodel(len(names_of(small.features))), frame, holdout)


@pytest.fixture
def evaluate(served: Served) -> Callable[..., Evaluation]:
    """`evaluate(backtest, parity, **changes)`: all that gates are given, good unless it is changed."""

    def evaluated(backtest=None, parity: ParityReport | None = GOOD, **changes: object) -> Evaluation:
        good = Evaluation(
            rows() if backtest is None else backtest,
            parity,
            train_metrics={"f1_macro": 0.9},
            served=served,
            speed=QUICK,
            leaks=HONEST,
        )
        return replace(good, **changes)

    return evaluated
