"""Figures of labels with several classes: labels are positions in the declared order, predictions a row of shares each.

Definitions are scikit-learn's, over the classes that occur in the rows; computed from one confusion matrix, because a
thousand resamples would pay for scikit-learn's checks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.metric import ClassesMetric
from almanac.statistics.calibration import calibration_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]


def problem_of(labels: "NDArray[Any]", probabilities: "Floats") -> str:
    """Why these cannot be measured; empty: they can."""
    import numpy as np

    count = probabilities.shape[1]
    if not (np.isin(labels, np.arange(count))).all():
        return f"labels are not all positions of {count} classes; got {np.unique(labels)[:5]}"
    possible = ((probabilities >= 0) & (probabilities <= 1)).all(axis=1)  # a NaN is neither
    if wrong := int((~possible).sum()):
        return f"{wrong} of {len(labels)} rows have a probability that is NaN or outside [0, 1]"
    return ""


def measure_classes(metric: ClassesMetric, labels: "NDArray[Any]", probabilities: "Floats") -> float:
    """One metric; the predicted class is the likeliest one, of equal ones the first.

    Args:
        metric: its name in the YAML.
        labels: positions of classes, [n], n at least 1; see `problem_of`.
        probabilities: of each class, [n, k].

    Returns:
        NaN where it needs two classes, and the rows have one.
    """
    import numpy as np

    truth = labels.astype(np.int64)
    match metric:
        case "log_loss":
            right = probabilities[np.arange(len(truth)), truth]
            return float(-np.log(np.clip(right, np.finfo(np.float64).eps, 1.0)).mean())
        case "brier":
            squares = (probabilities**2).sum(axis=1) - 2 * probabilities[np.arange(len(truth)), truth] + 1
            return float(squares.mean() / 2)
        case "calibration_error":
            return calibration_of(*top_label(truth, probabilities), bins=10).ece
        case "roc_auc_ovr":
            return _one_against_the_rest(truth, probabilities)
    return _from_counts(metric, confusion(truth, probabilities))


def top_label(labels: "NDArray[Any]", probabilities: "Floats") -> "tuple[NDArray[np.int8], Floats]":
    """Whether the predicted class is right, 0 or 1, and its probability, both [n]."""
    import numpy as np

    return (probabilities.argmax(axis=1) == labels).astype(np.int8), probabilities.max(axis=1, initial=0.0)


def confusion(labels: "NDArray[Any]", probabilities: "Floats") -> "Counts":
    """The number of rows by true class (rows) and predicted class (columns), [k, k]."""
    import numpy as np

    count = probabilities.shape[1]
    position = count * labels.astype(np.int64) + probabilities.argmax(axis=1)
    return np.bincount(position, minlength=count**2).reshape(count, count)


def confusion_words(counts: "Counts", names: Sequence[str]) -> str:
    """How many rows are right, and which class is most often taken for which."""
    import numpy as np

    right, rows = int(counts.trace()), int(counts.sum())
    wrong = counts - np.diag(counts.diagonal())
    text = f"Right on {right:,} of {rows:,} rows ({right / max(rows, 1):.1%})"
    if not wrong.any():
        return f"{text}."
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return f"{text}; most often {names[int(true)]} is taken for {names[int(predicted)]} ({int(wrong.max()):,} rows)."


def recalls(counts: "Counts") -> "Floats":
    """The recall of each class, [k]; NaN for one that does not occur."""
    return _share(counts.diagonal(), counts.sum(axis=1))


def precisions(counts: "Counts") -> "Floats":
    """The precision of each class, [k]; 0 for one that occurs and is never predicted, NaN for one that does neither."""
    import numpy as np

    found = _share(counts.diagonal(), counts.sum(axis=0))
    missed = (counts.sum(axis=1) > 0) & np.isnan(found)
    values: Floats = np.where(missed, 0.0, found)
    return values


def shares_of_decisions(of_train: "Counts", labels: "Counts", of_test: "Counts", count: int) -> "Floats":
    """A rule's decisions as probabilities: the shares of all classes among the rows with the same decision.

    The decided class is made the likeliest: so accuracy measures the plain rule, and log loss a calibrated forecast.

    Args:
        of_train: decisions of the rows that the shares are counted on, positions of classes, [m].
        labels: of these rows, [m].
        of_test: decisions, [n].
        count: number of classes.

    Returns:
        Probabilities, [n, count].
    """
    import numpy as np

    together = np.bincount(of_train * count + labels, minlength=count**2).reshape(count, count).astype(np.float64)
    base = np.bincount(labels, minlength=count) / len(labels)
    seen = together.sum(axis=1, keepdims=True)
    shares = np.where(seen > 0, together / np.maximum(seen, 1), base)
    for decided, row in enumerate(shares):
        row[decided] = max(row[decided], np.nextafter(row.max(), 2))  # by as little as can be
    probabilities: Floats = (shares / shares.sum(axis=1, keepdims=True))[of_test]
    return probabilities


def _from_counts(metric: ClassesMetric, counts: "Counts") -> float:
    import numpy as np

    rows = counts.sum(axis=1)
    if metric == "accuracy":
        return float(counts.trace() / counts.sum())
    if (rows > 0).sum() < 2:
        return float("nan")
    match metric:
        case "balanced_accuracy":
            return float(np.nanmean(recalls(counts)))
        case "worst_recall":
            return float(np.nanmin(recalls(counts)))
        case "worst_precision":
            return float(np.nanmin(precisions(counts)))
    f1 = _share(2 * counts.diagonal(), rows + counts.sum(axis=0))
    if metric == "f1_weighted":
        return float(np.nansum(f1 * rows) / rows.sum())
    return float(np.nanmean(f1))


def _one_against_the_rest(truth: "Counts", probabilities: "Floats") -> float:
    """The mean area below the ROC curve of each class that occurs, by the ranks of its probabilities."""
    import numpy as np
    from scipy.stats import rankdata

    areas = []
    for number in np.unique(truth):
        ones = truth == number
        count = int(ones.sum())
        if count < len(ones):
            ranks = float(rankdata(probabilities[:, number])[ones].sum())
            areas.append((ranks - count * (count + 1) / 2) / (count * (len(ones) - count)))
    return float(np.mean(areas)) if areas else float("nan")


def _share(part: "Counts", whole: "Counts") -> "Floats":
    import numpy as np

    shares: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return shares
