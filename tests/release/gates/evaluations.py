"""What gates are given in these tests: a candidate that passes every one of them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import yaml

from almanac.release.gates import GateResult, Reference
from almanac.training.export.parity import ParityPart, ParityReport
from almanac.training.export.speed import BatchTiming, Speed
from almanac.training.leaks import LeakReport

DAYS = 360
START = datetime(2023, 1, 1, tzinfo=UTC)
HONEST = LeakReport({"Humidity": 0.4}, 0.5, {"Humidity": 0.1}, 3, 2160)
GOOD = ParityReport(0.999, ParityPart(100, 1.0, 1e-7, 1e-6), ParityPart(50, 1.0, 1e-7, 1e-6))
QUICK = Speed(
    2_000_000, 1_000_000, (BatchTiming(1, 10.0, 0.1), BatchTiming(64, 11.0, 0.2), BatchTiming(10_000, 30.0, 30.0))
)


def predict(label: np.ndarray, errors: float, seed: int) -> np.ndarray:
    """Probabilities that are right except on the given share of rows."""
    wrong = np.random.default_rng(seed).random(len(label)) < errors
    return np.where(wrong, 1 - label, label) * 0.8 + 0.1


def rows(candidate: float = 0.1, naive: float = 0.2) -> pl.DataFrame:
    """A year of hours in four folds; candidate and baselines err on these shares of rows."""
    count = DAYS * 24
    label = (np.random.default_rng(0).random(count) < 0.4).astype(np.int8)
    end = START + timedelta(hours=count - 1)
    return pl.DataFrame(
        {
            "time": pl.datetime_range(START, end, "1h", time_unit="us", eager=True),
            "fold": np.repeat(np.arange(4, dtype=np.int32), count // 4),
            "label": label,
            "answer": predict(label, candidate, 1),
            "majority": np.full(count, 0.4),
            "persistence": predict(label, naive, 2),
            "stump": predict(label, naive, 3),
            "day_ago": predict(label, naive, 5),
        }
    )


def champion(frame: pl.DataFrame, errors: float) -> dict[str, object]:
    """A champion that errs on this share of the hold-out's rows, is the best of its year, and knows older rows."""
    label = frame.filter(pl.col("fold") == 3)["label"].to_numpy()
    best = Reference("7", "the best of the last year")
    return {"champion": "7", "champion_predictions": predict(label, errors, 4), "best": best, "news": "it knows more"}


def best(frame: pl.DataFrame, errors: float) -> dict[str, object]:
    """A champion as good as chance lets it be, and a better version before it."""
    label = frame.filter(pl.col("fold") == 3)["label"].to_numpy()
    return {**champion(frame, 0.3), "best": Reference("5", "the best of the last year", predict(label, errors, 4))}


def mlmodel(width: int, kind: str = "float32") -> str:
    """What MLflow writes about a graph, as far as gates read it."""
    tensor = {"type": "tensor", "tensor-spec": {"dtype": kind, "shape": [-1, width]}, "name": "features"}
    return yaml.safe_dump({"flavors": {"onnx": {}}, "signature": {"inputs": json.dumps([tensor])}})


def refused(results: Sequence[GateResult]) -> dict[str, str]:
    """Reasons of the gates that refused, by name."""
    return {result.name: result.reason for result in results if not result.passed}


def only(results: Sequence[GateResult], name: str) -> str:
    """The reason of the one gate that refused."""
    names = refused(results)
    assert set(names) == {name}, names
    return names[name]
