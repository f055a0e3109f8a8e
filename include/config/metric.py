"""The figures that a model can be chosen, gated and watched by."""

from typing import Literal

Metric = Literal[
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
ErrorMetric = Literal["rmse", "mae"]  # of numbers that are foretold; lower is better
