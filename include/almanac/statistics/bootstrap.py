"""A paired bootstrap interval of the difference between two models on the same rows.

Source: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13 (percentile interval); Künsch
(1989), Annals of Statistics 17(3), for resampling blocks of a time series instead of single rows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.grammar.metric import Metric
from almanac.statistics import metrics

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ConfidenceInterval:
    """How much better the first model is: observed, and the ends of the interval. Below 0 it is worse."""

    observed: float
    low: float
    high: float


def paired_interval(
    metric: Metric,
    rows: "pl.DataFrame",
    reference: "NDArray[np.float64]",
    *,
    resamples: int,
    confidence: float,
    seed: int,
    thresholds: tuple[float, float] = (metrics.THRESHOLD, metrics.THRESHOLD),
) -> ConfidenceInterval:
    """The percentile interval of the gain of `rows["answer"]` over `reference`.

    Whole days are drawn, with replacement, and both models are measured on the same draw: hours of one day resemble
    each other, and drawn one by one they would claim more evidence than there is. Rows without a time are drawn by
    whole groups.

    Args:
        metric: what is compared.
        rows: `time`, `label`, `answer`; `group` where they have no time of their own.
        reference: the other model's predictions for the same rows, of the same shape.
        resamples: how many draws.
        confidence: of the two-sided interval.
        seed: of the draws.
        thresholds: from which probability on each of the two says yes.

    Raises:
        UndefinedMetricError: the metric has no value, on the rows or on a draw.
    """
    import numpy as np

    label, probability = rows["label"].to_numpy(), rows["answer"].to_numpy()

    def gain(chosen: "NDArray[np.intp]") -> float:
        ours = metrics.measure(metric, label[chosen], probability[chosen], threshold=thresholds[0])
        theirs = metrics.measure(metric, label[chosen], reference[chosen], threshold=thresholds[1])
        return metrics.gain(metric, ours, theirs)

    if reference.shape != probability.shape:
        raise metrics.UndefinedMetricError(
            f"{metric}: {len(label)} rows, but {len(reference)} of the other model; predictions of shape"
            f" {probability.shape} and {reference.shape} cannot be paired"
        )
    blocks = _blocks(rows)
    draw = np.random.default_rng(seed)
    gains = [
        gain(np.concatenate([blocks[number] for number in draw.integers(len(blocks), size=len(blocks))]))
        for _ in range(resamples)
    ]
    low, high = np.quantile(gains, [(1 - confidence) / 2, (1 + confidence) / 2])
    return ConfidenceInterval(gain(np.arange(len(label))), float(low), float(high))


def _blocks(rows: "pl.DataFrame") -> list["NDArray[np.intp]"]:
    """The row numbers of each group, else of each day in UTC."""
    import numpy as np

    values = rows["group"] if "group" in rows.columns else rows["time"].dt.date()
    _, block = np.unique(values.to_numpy(), return_inverse=True)
    order = np.argsort(block, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(block[order])) + 1)
