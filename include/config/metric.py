"""The figures that a model can be chosen, gated and watched by."""

from typing import Literal

Metric = Literal["accuracy", "balanced_accuracy", "f1_macro", "f1", "roc_auc", "average_precision", "log_loss"]
ErrorMetric = Literal["rmse", "mae"]  # of numbers that are foretold; lower is better
