"""The figures that a model can be chosen, gated and watched by."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from almanac.config.schema import Model

YesNoMetric = Literal[
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "f1",
    "roc_auc",
    "average_precision",  # the area below precision over recall
    "precision_at_1pct",  # among the hundredth of the rows with the highest probabilities
    "log_loss",
    "brier",
    "calibration_error",
]
NumberMetric = Literal[
    "rmse",
    "mae",
    "bias",  # the mean of predicted minus true; of two, the one nearer to 0 is better
    "r2",
    "smape",  # in percent of the mean of both, 0 to 200
]
ClassesMetric = Literal[
    "accuracy",
    "balanced_accuracy",  # the mean recall of the classes
    "f1_macro",
    "f1_weighted",  # F1 of each class, weighted by its rows
    "worst_recall",  # of the class that is recognised worst
    "worst_precision",
    "roc_auc_ovr",  # the mean, over the classes, of one class against the rest
    "log_loss",
    "brier",  # half the squared distance of the probabilities from the truth, 0 to 1
    "calibration_error",  # of the probability of the predicted class
]
Metric = Literal[YesNoMetric, NumberMetric, ClassesMetric]
YES_NO_METRICS: tuple[YesNoMetric, ...] = get_args(YesNoMetric)
CLASSES_METRICS: tuple[ClassesMetric, ...] = get_args(ClassesMetric)
NUMBER_METRICS: tuple[NumberMetric, ...] = get_args(NumberMetric)


def check_metrics(model: "Model") -> None:
    """Refuse figures that are not defined for the model's kind of label.

    Raises:
        ValueError: there is one.
    """
    fits = model.label.metrics
    if wrong := [f"{place}: {metric}" for place, metric in _named(model) if metric not in fits]:
        raise ValueError(f"the label is {model.label.kind.words}; got {', '.join(wrong)}, expected one of {list(fits)}")


def _named(model: "Model") -> Iterator[tuple[str, Metric]]:
    """Each place that names a figure."""
    gates = model.gates
    yield "train.metric", model.train.metric
    yield from ((f"gates.absolute.{metric}", metric) for metric in gates.absolute)
    for name in ("baselines", "champion", "segments", "gap"):
        yield f"gates.{name}.metric", getattr(gates, name).metric
    yield "monitor.performance.metric", model.monitor.performance.metric
