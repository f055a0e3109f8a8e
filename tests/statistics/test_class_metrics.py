"""Figures of several classes are those of scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from almanac.statistics.class_metrics import confusion, confusion_words, precisions, recalls, shares_of_decisions
from almanac.statistics.figures import figure, measured
from almanac.statistics.metrics import CLASSES_METRICS, UndefinedMetricError, measure, measure_all

COUNT = 4


def predicted(seed: int = 0, rows: int = 500, classes: int = COUNT) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that are often right."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(classes, rows, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    raw = draw.random((rows, classes)) + 1.2 * (labels[:, None] == np.arange(classes)) * (draw.random((rows, 1)) < 0.7)
    return labels.astype(np.int8), raw / raw.sum(axis=1, keepdims=True)


def by_sklearn(metric: str, labels: np.ndarray, probabilities: np.ndarray) -> float:
    top, names = probabilities.argmax(axis=1), np.arange(probabilities.shape[1])
    return {
        "accuracy": lambda: sk.accuracy_score(labels, top),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(labels, top),
        "f1_macro": lambda: sk.f1_score(labels, top, average="macro"),
        "f1_weighted": lambda: sk.f1_score(labels, top, average="weighted"),
        "worst_recall": lambda: sk.recall_score(labels, top, average=None).min(),
        "worst_precision": lambda: sk.precision_score(labels, top, average=None, zero_division=0).min(),
        "roc_auc_ovr": lambda: sk.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"),
        "log_loss": lambda: sk.log_loss(labels, probabilities, labels=names),
        "brier": lambda: sk.brier_score_loss(labels, probabilities, labels=names, scale_by_half=True),
        "calibration_error": lambda: _ece((top == labels).astype(float), probabilities.max(axis=1)),
    }[metric]()


def _ece(right: np.ndarray, top: np.ndarray) -> float:
    bins = np.minimum((top * 10).astype(int), 9)
    gaps = [abs(right[bins == one].mean() - top[bins == one].mean()) * (bins == one).sum() for one in np.unique(bins)]
    return float(sum(gaps) / len(top))


@pytest.mark.parametrize("metric", CLASSES_METRICS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_metric_of_classes_is_that_of_scikit_learn(metric, seed) -> None:
    labels, probabilities = predicted(seed)
    assert measure(metric, labels, probabilities) == pytest.approx(by_sklearn(metric, labels, probabilities), abs=1e-12)


def test_recall_and_precision_of_each_class_are_those_of_scikit_learn() -> None:
    labels, probabilities = predicted()
    counts, top = confusion(labels, probabilities), probabilities.argmax(axis=1)
    np.testing.assert_array_equal(counts, sk.confusion_matrix(labels, top))
    np.testing.assert_allclose(recalls(counts), sk.recall_score(labels, top, average=None))
    np.testing.assert_allclose(precisions(counts), sk.precision_score(labels, top, average=None))


def test_class_that_is_never_predicted_has_precision_0_and_one_that_is_absent_has_none() -> None:
    counts = np.array([[5, 0, 0], [2, 0, 0], [0, 0, 0]])
    assert precisions(counts)[1] == 0
    assert np.isnan(precisions(counts)[2])
    assert np.isnan(recalls(counts)[2])


def test_metric_over_the_classes_that_occur_leaves_the_others_out() -> None:
    labels, probabilities = predicted()
    kept = labels != 0
    top = probabilities[kept].argmax(axis=1)
    expected = sk.recall_score(labels[kept], top, average=None, labels=[1, 2, 3]).mean()
    assert measure("balanced_accuracy", labels[kept], probabilities[kept]) == pytest.approx(expected)


@pytest.mark.parametrize(
    "metric", ["balanced_accuracy", "f1_macro", "f1_weighted", "worst_recall", "worst_precision", "roc_auc_ovr"]
)
def test_metric_that_needs_two_classes_is_undefined_on_one(metric) -> None:
    _, probabilities = predicted()
    with pytest.raises(UndefinedMetricError, match=f"{metric}: got nan on 500 rows"):
        measure(metric, np.zeros(500, np.int8), probabilities)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda labels, p: (labels, np.where(np.arange(len(p))[:, None] == 3, np.nan, p)), "1 of 500 rows have a prob"),
        (lambda labels, p: (labels, p * 2), "rows have a probability that is NaN or outside"),
        (lambda labels, p: (labels + 1, p), r"not all positions of 4 classes; got \[1 2 3 4\]"),
        (lambda labels, p: (labels[:-1], p), "expected the same number"),
    ],
)
def test_metric_of_what_are_no_classes_or_probabilities_is_undefined(change, fault) -> None:
    with pytest.raises(UndefinedMetricError, match=fault):
        measure("accuracy", *change(*predicted()))


def test_metric_of_another_kind_of_label_is_undefined() -> None:
    with pytest.raises(UndefinedMetricError, match="unknown metric of classes; got 'rmse'"):
        measure("rmse", *predicted())
    assert measure_all(*predicted(), ["rmse", "f1"]) == {}


def test_rule_has_the_shares_of_its_decision_and_its_class_is_the_likeliest() -> None:
    decisions, labels = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 1, 2, 1, 1])
    found = shares_of_decisions(decisions, labels, np.array([0, 1, 2]), 3)
    assert found.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[1], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(found[0], np.array([0.5, 0.5, 0.25]) / 1.25, atol=1e-12)  # 1 of 4 is raised to the most


def test_performance_at_another_mix_of_classes_is_that_of_the_mix() -> None:
    """Class 0 is always right, the others never: at a mix with half of class 0 accuracy is a half."""
    labels = np.repeat([0.0, 1.0, 2.0], [100, 300, 200])[np.random.default_rng(0).permutation(600)]
    probabilities = np.tile([0.8, 0.1, 0.1], (600, 1))
    assert measured("accuracy", labels, probabilities) == pytest.approx(1 / 6)
    assert measured("accuracy", labels, probabilities, share=(0.5, 0.25, 0.25)) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(UndefinedMetricError, match=r"no label is of the classes \[1\]"):
        measured("accuracy", labels[labels != 1], probabilities[labels != 1], share=(0.5, 0.25, 0.25))


def test_figure_of_classes_has_their_shares_and_an_error_from_blocks() -> None:
    labels, probabilities = predicted(rows=2000)
    found = figure("f1_macro", labels.astype(float), probabilities)
    assert found.share == pytest.approx((0.1, 0.2, 0.3, 0.4), abs=0.05)
    assert 0 < found.standard_error < 0.05


def test_confusion_in_words_names_what_is_taken_for_what() -> None:
    words = confusion_words(np.array([[8, 2, 0], [0, 10, 0], [0, 5, 5]]), ("rain", "snow", "clear"))
    assert words == "Right on 23 of 30 rows (76.7%); most often clear is taken for snow (5 rows)."
