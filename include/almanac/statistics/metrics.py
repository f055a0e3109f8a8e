"""Figures about predictions. A figure that is not defined is an error, never a zero or a NaN."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from almanac.config.grammar.metric import CLASSES_METRICS, NUMBER_METRICS, YES_NO_METRICS, ClassesMetric, Metric
from almanac.errors import DataError
from almanac.statistics.calibration import calibration_of
from almanac.statistics.class_metrics import measure_classes, problem_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Labels = NDArray[Any]  # int8, 0 or 1 or the position of a class; float64 where a number is predicted
    Predictions = NDArray[np.float64]

METRICS: tuple[Metric, ...] = (*YES_NO_METRICS, *NUMBER_METRICS)
THRESHOLD = 0.5
LOWER_IS_BETTER: frozenset[Metric] = frozenset(
    {"log_loss", "brier", "calibration_error", "rmse", "mae", "bias", "smape"}
)
_NEED_BOTH_CLASSES: frozenset[Metric] = frozenset(
    {"balanced_accuracy", "f1_macro", "f1", "roc_auc", "average_precision", "precision_at_1pct"}
)


class UndefinedMetricError(DataError):
    """The metric has no value on these rows. Gates refuse on it."""


def measure(metric: Metric, labels: "Labels", predictions: "Predictions", *, threshold: float = THRESHOLD) -> float:
    """One metric; predicted labels are `probability >= threshold`.

    Args:
        metric: its name in the YAML.
        labels: 0 or 1, numbers, or positions of classes, [n].
        predictions: probabilities of the label 1, or numbers, [n]; or of each class, [n, k].
        threshold: from which on a probability counts as a 1.

    Raises:
        UndefinedMetricError: no rows, unequal lengths, a NaN, a probability outside [0, 1], or a metric that
            needs both classes on rows of one class.
    """
    import numpy as np

    labels, predictions = np.asarray(labels), np.asarray(predictions, dtype=np.float64)
    if predictions.ndim == 2:
        _check_classes(metric, labels, predictions)
        value = measure_classes(cast(ClassesMetric, metric), labels, predictions)
    else:
        _check(metric, labels, predictions)
        value = (
            _of_numbers(metric, labels, predictions)
            if metric in NUMBER_METRICS
            else _of_yes_no(metric, labels, predictions, threshold)
        )
    if not np.isfinite(value):
        raise UndefinedMetricError(f"{metric}: got {value} on {len(labels)} rows, expected a finite number")
    return value


def measure_all(
    labels: "Labels",
    predictions: "Predictions",
    metrics: Iterable[Metric],
    *,
    threshold: float = THRESHOLD,
) -> dict[str, float]:
    """Every one of the metrics that is defined on these rows; the others are left out."""
    values: dict[str, float] = {}
    for metric in metrics:
        try:
            values[metric] = measure(metric, labels, predictions, threshold=threshold)
        except UndefinedMetricError:
            continue
    return values


def gain(metric: str, value: float, reference: float) -> float:
    """By how much `value` is better than `reference`; negative when it is worse."""
    if metric == "bias":  # too high is as bad as too low
        return abs(reference) - abs(value)
    return reference - value if metric in LOWER_IS_BETTER else value - reference


def _check_classes(metric: Metric, labels: "Labels", predictions: "Predictions") -> None:
    if metric not in CLASSES_METRICS:
        raise UndefinedMetricError(f"unknown metric of classes; got {metric!r}, expected one of {CLASSES_METRICS}")
    if labels.shape != predictions.shape[:1] or not len(labels):
        raise UndefinedMetricError(
            f"{metric}: got {labels.shape} labels and {predictions.shape} answers, expected the same number, not 0"
        )
    if problem := problem_of(labels, predictions):
        raise UndefinedMetricError(f"{metric}: {problem}")


def _check(metric: Metric, labels: "Labels", predictions: "Predictions") -> None:
    import numpy as np

    if metric not in METRICS:
        raise UndefinedMetricError(f"unknown metric; got {metric!r}, expected one of {METRICS}")
    if labels.shape != predictions.shape or labels.ndim != 1 or not len(labels):
        raise UndefinedMetricError(
            f"{metric}: got {labels.shape} labels and {predictions.shape} answers, expected the same number, not 0"
        )
    if metric in NUMBER_METRICS:
        if wrong := int((~(np.isfinite(labels) & np.isfinite(predictions))).sum()):
            raise UndefinedMetricError(f"{metric}: {wrong} of {len(labels)} rows have no label or no prediction")
        return
    if not ((labels == 0) | (labels == 1)).all():
        raise UndefinedMetricError(f"{metric}: labels are not all 0 or 1; got {np.unique(labels)[:5]}")
    if not ((predictions >= 0) & (predictions <= 1)).all():  # a NaN is neither
        wrong = int((~((predictions >= 0) & (predictions <= 1))).sum())
        raise UndefinedMetricError(f"{metric}: {wrong} probabilities of {len(labels)} are NaN or outside [0, 1]")
    if metric in _NEED_BOTH_CLASSES and labels.min() == labels.max():
        raise UndefinedMetricError(f"{metric}: all {len(labels)} labels are {int(labels[0])}; it needs both classes")


def precision_at(labels: "Labels", probabilities: "Predictions", share: float) -> float:
    """The share of ones among this share of the rows, those with the highest probabilities.

    Of rows that tie at the border as many count as fit, each as the mean of them: their order says nothing.
    """
    import numpy as np

    chosen = max(int(np.ceil(len(labels) * share)), 1)
    border = np.partition(probabilities, -chosen)[-chosen]
    above, at = probabilities > border, probabilities == border
    return float((labels[above].sum() + labels[at].mean() * (chosen - above.sum())) / chosen)


def _of_numbers(metric: Metric, labels: "Labels", predictions: "Predictions") -> float:
    """A figure of numbers. sMAPE as in Makridakis, Spiliotis and Assimakopoulos (2020), the M4 competition."""
    import numpy as np
    from sklearn import metrics as sk

    misses = predictions - labels
    match metric:
        case "rmse":
            return float(np.sqrt(np.mean(misses**2)))
        case "mae":
            return float(np.mean(np.abs(misses)))
        case "bias":
            return float(np.mean(misses))
        case "r2" if np.ptp(labels) > 0:  # else there is nothing to explain
            return float(sk.r2_score(labels, predictions))
        case "smape":
            both = np.abs(labels) + np.abs(predictions)
            off = np.divide(np.abs(misses), both, out=np.zeros(len(both)), where=both > 0)  # 0 predicted as 0 is right
            return float(200 * np.mean(off))
    return float("nan")


def _of_yes_no(metric: Metric, labels: "Labels", probabilities: "Predictions", threshold: float) -> float:
    from sklearn import metrics as sk

    match metric:
        case "roc_auc":
            return float(sk.roc_auc_score(labels, probabilities))
        case "average_precision":
            return float(sk.average_precision_score(labels, probabilities))
        case "precision_at_1pct":
            return precision_at(labels, probabilities, 0.01)
        case "brier":
            return float(sk.brier_score_loss(labels, probabilities, pos_label=1))
        case "calibration_error":
            return calibration_of(labels, probabilities, bins=10).ece
        case "log_loss":
            return float(sk.log_loss(labels, probabilities, labels=[0, 1]))
    return _of_labels(metric, labels, (probabilities >= threshold).astype(int))


def _of_labels(metric: Metric, labels: "Labels", predicted: "NDArray[np.int64]") -> float:
    """A figure of predicted labels, from the four counts; a share of nothing is 0.

    scikit-learn gives the same numbers (with `zero_division=0`) and takes 50 times as long, to check its arguments: a
    thousand resamples would pay for it.
    """
    import numpy as np

    counts = np.bincount(2 * labels.astype(np.int64) + predicted, minlength=4).tolist()
    true_no, false_yes, false_no, true_yes = counts
    match metric:
        case "accuracy":
            return _share(true_no + true_yes, sum(counts))
        case "balanced_accuracy":
            return (_share(true_yes, true_yes + false_no) + _share(true_no, true_no + false_yes)) / 2
        case "f1_macro":
            wrong = false_yes + false_no
            return (_share(2 * true_no, 2 * true_no + wrong) + _share(2 * true_yes, 2 * true_yes + wrong)) / 2
        case "f1":
            return _share(2 * true_yes, 2 * true_yes + false_yes + false_no)
    raise UndefinedMetricError(f"{metric}: not computed from predicted labels")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
