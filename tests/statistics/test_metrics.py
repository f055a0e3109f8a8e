"""Figures agree with hand calculation, and what is not defined is an error."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from almanac.statistics.metrics import YES_NO_METRICS as METRICS
from almanac.statistics.metrics import UndefinedMetricError, gain, measure, measure_all

LABELS = np.array([1, 1, 1, 0, 0, 0, 0, 0], dtype=np.int8)
PROBABILITIES = np.array([0.9, 0.5, 0.2, 0.6, 0.4, 0.3, 0.2, 0.1])
# counted by hand: hits 2 (0.5 counts as yes), misses 1, false alarms 1, rightly no 4
BY_HAND = {
    "accuracy": 6 / 8,
    "balanced_accuracy": (2 / 3 + 4 / 5) / 2,
    "f1": 4 / 6,
    "f1_macro": (4 / 6 + 8 / 10) / 2,
    "roc_auc": (5 + 4 + 1.5) / 15,
    # one hit at rank 1, the false alarm at 2, one hit at 3, and the last at 6 or 7, which tie: 3 of 7
    "average_precision": (1 + 2 / 3 + 3 / 7) / 3,
    "precision_at_1pct": 1.0,
    "brier": (0.1**2 + 0.5**2 + 0.8**2 + 0.6**2 + 0.4**2 + 0.3**2 + 0.2**2 + 0.1**2) / 8,
}


@pytest.mark.parametrize(("metric", "expected"), BY_HAND.items())
def test_measure_agrees_with_hand_calculation(metric, expected: float) -> None:
    assert measure(metric, LABELS, PROBABILITIES) == pytest.approx(expected)


def test_log_loss_agrees_with_hand_calculation() -> None:
    loss = -(math.log(0.8) + math.log(0.75)) / 2
    assert measure("log_loss", np.array([1, 0]), np.array([0.8, 0.25])) == pytest.approx(loss)


def test_calibration_error_is_the_distance_of_groups_from_what_came() -> None:
    probabilities = np.repeat([0.1, 0.3, 0.8], 10)
    labels = np.concatenate([np.arange(10) < ones for ones in (1, 5, 8)]).astype(np.int8)
    assert measure("calibration_error", labels, probabilities) == pytest.approx(0.2 / 3)


def test_calibration_error_of_honest_probabilities_is_small_even_when_ones_are_rare() -> None:
    draw = np.random.default_rng(1)
    honest = draw.uniform(0, 0.02, 200_000)
    labels = (draw.random(200_000) < honest).astype(np.int8)
    assert measure("calibration_error", labels, honest) < 0.001
    assert measure("calibration_error", labels, np.sqrt(honest)) > 0.05


def test_precision_at_1pct_counts_the_highest_hundredth() -> None:
    labels, probabilities = np.zeros(1000, np.int8), np.linspace(0, 1, 1000)
    labels[-10:-3] = 1
    labels[:100] = 1
    assert measure("precision_at_1pct", labels, probabilities) == 0.7


def test_precision_at_1pct_of_a_constant_is_the_share_of_ones() -> None:
    labels = np.concatenate([np.ones(30), np.zeros(970)]).astype(np.int8)
    assert measure("precision_at_1pct", labels, np.full(1000, 0.3)) == pytest.approx(0.03)


_BY_SCIKIT_LEARN = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": partial(sk.f1_score, zero_division=0.0),
    "f1_macro": partial(sk.f1_score, average="macro", labels=[0, 1], zero_division=0.0),
}
_BOTH_CLASSES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@pytest.mark.parametrize("metric", _BY_SCIKIT_LEARN)
@given(rows=_BOTH_CLASSES)
def test_measure_of_predicted_labels_agrees_with_scikit_learn(metric, rows) -> None:
    labels, predicted = (np.array(column, dtype=np.int8) for column in zip(*rows, strict=True))
    expected = _BY_SCIKIT_LEARN[metric](labels, predicted)
    assert measure(metric, labels, predicted.astype(float)) == pytest.approx(expected, abs=1e-15)


def test_measure_at_another_threshold_counts_other_answers() -> None:
    assert measure("f1", LABELS, PROBABILITIES, threshold=0.15) == pytest.approx(6 / 10)


def test_gain_of_log_loss_is_positive_when_it_falls() -> None:
    assert gain("log_loss", 0.3, 0.5) == pytest.approx(0.2)
    assert gain("f1", 0.3, 0.5) == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], [], "expected the same number, not 0"),
        ([1, 0], [0.5], "expected the same number"),
        ([1, 0], [0.5, math.nan], "1 probabilities of 2 are NaN"),
        ([1, 0], [0.5, 1.2], "outside"),
        ([1, 2], [0.5, 0.5], "not all 0 or 1"),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
def test_measure_of_wrong_input_is_an_error(metric, labels, probabilities, message: str) -> None:
    with pytest.raises(UndefinedMetricError, match=message):
        measure(metric, np.array(labels), np.array(probabilities))


@pytest.mark.parametrize("metric", ["f1", "f1_macro", "balanced_accuracy", "roc_auc", "average_precision"])
def test_measure_of_one_class_is_undefined_not_perfect(metric) -> None:
    with pytest.raises(UndefinedMetricError, match="needs both classes"):
        measure(metric, np.zeros(5), np.zeros(5))


def test_measure_of_an_unknown_metric_is_an_error() -> None:
    with pytest.raises(UndefinedMetricError, match="unknown metric"):
        measure("beauty", LABELS, PROBABILITIES)  # type: ignore[arg-type]


def test_measure_all_leaves_out_what_is_undefined() -> None:
    assert set(measure_all(np.zeros(3), np.zeros(3), METRICS)) == {
        "accuracy",
        "log_loss",
        "brier",
        "calibration_error",
    }
