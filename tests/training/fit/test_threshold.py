"""The threshold is chosen on validation folds, travels with the graph, and no rounding moves a row over it."""

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from almanac.config.grammar.threshold import parse_threshold
from almanac.errors import DataError
from almanac.registry.onnx_model import OnnxModel
from almanac.statistics.metrics import measure
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import split
from almanac.training.fit.threshold import choose_threshold
from almanac.training.train import train_candidate
from tests.training.conftest import NOW

LABELS = np.array([1, 1, 0, 1, 0, 0, 0, 0], dtype=np.int8)
SAID = np.array([0.9, 0.7, 0.6, 0.4, 0.3, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (0.3, 0.3),
        ("best f1", 0.35),  # 3 hits, 1 false alarm
        ("recall >= 0.6", 0.65),  # two of three, and no false alarm yet
        ("recall >= 1.0", 0.35),
        ("precision >= 0.7", 0.35),  # 3 of 4
        ("precision >= 0.5", 0.25),  # 3 of 6: the two of 0.3 come together
    ],
)
def test_choose_threshold_by_hand(declared, expected: float) -> None:
    assert choose_threshold(parse_threshold(declared), LABELS, SAID) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["f1", "f1_macro", "balanced_accuracy"])
@pytest.mark.parametrize("seed", range(5))
def test_choose_threshold_best_is_as_good_as_brute_force(metric, seed: int) -> None:
    draw = np.random.default_rng(seed)
    text = draw.integers(0, 30, 300) / 30
    labels = (draw.random(300) < text**2).astype(np.int8)
    chosen = choose_threshold(parse_threshold(f"best {metric}"), labels, text)
    best = max(measure(metric, labels, text, threshold=value) for value in np.linspace(0, 1, 200))
    assert measure(metric, labels, text, threshold=chosen) == pytest.approx(best)
    assert np.abs(text - chosen).min() > 0.01  # halfway between two


def test_choose_threshold_that_nothing_keeps_refuses() -> None:
    with pytest.raises(DataError, match=r"no threshold has precision >= 0.99 on 4 rows .* best is 0.6667"):
        choose_threshold(parse_threshold("precision >= 0.99"), np.array([0, 1, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]))


def test_choose_threshold_of_one_class_refuses() -> None:
    with pytest.raises(DataError, match="all 3 labels of the validation folds"):
        choose_threshold(parse_threshold("best f1"), np.zeros(3, np.int8), np.array([0.1, 0.2, 0.3]))


@pytest.mark.parametrize("declared", [0, 1.5, True, "best accuracy", "recall > 0.5", "recall >= 1.5", None])
def test_threshold_declared_wrongly_is_refused(small, change, declared) -> None:
    with pytest.raises(ValidationError, match=r"not a threshold|Input should be"):
        change(small, "train", threshold=declared)


@pytest.fixture(scope="module")
def recalling(small, change):
    return change(
        small, "train", threshold="recall >= 0.95", candidates={"logistic": small.train.candidates["logistic"]}
    )


@pytest.fixture(scope="module")
def candidate(recalling, frame):
    return train_candidate(recalling, frame, now=NOW)


def test_train_threshold_keeps_the_recall_on_the_validation_folds(candidate) -> None:
    before = candidate.rows.filter(pl.col("fold") < 3, pl.col("label") == 1)["answer"]
    assert 0 < candidate.selection.threshold < 0.5
    assert 0.95 <= (before >= candidate.selection.threshold).mean() < 0.96


def test_train_threshold_does_not_look_at_the_holdout(recalling, frame, candidate) -> None:
    start = candidate.rows.filter(pl.col("fold") == 3)["time"].min()
    spoilt = frame.with_columns(
        pl.when(pl.col("Timestamp") >= start + recalling.label.horizon)
        .then(pl.lit("rain"))
        .otherwise("Weather_conditions")
        .alias("Weather_conditions")
    )
    assert train_candidate(recalling, spoilt, now=NOW).selection.threshold == candidate.selection.threshold


def test_train_figures_are_those_at_the_threshold(candidate) -> None:
    last = candidate.rows.filter(pl.col("fold") == 3)
    expected = measure(
        "f1", last["label"].to_numpy(), last["answer"].to_numpy(), threshold=candidate.selection.threshold
    )
    assert candidate.metrics.holdout["f1"] == expected


def test_graph_label_follows_the_threshold_and_says_it(recalling, frame, candidate) -> None:
    import onnxruntime as ort

    rows = labelled_rows(recalling, frame, now=NOW)
    values = rows.values[split(recalling, rows.times)[-1].test]
    label, both = ort.InferenceSession(candidate.onnx).run(["label", "probabilities"], {"features": values})
    np.testing.assert_array_equal(label, both[:, 1] >= np.float32(candidate.selection.threshold))
    assert (both[label == 1, 1] < 0.5).sum() > 0
    assert OnnxModel(candidate.onnx).threshold == candidate.selection.threshold


def test_graph_of_a_half_is_left_as_it_was_converted(small, frame) -> None:
    plain = train_candidate(small, frame, now=NOW, candidates=["logistic"])
    assert plain.selection.threshold == OnnxModel(plain.onnx).threshold == 0.5
    assert b"probability_of_one" not in plain.onnx
