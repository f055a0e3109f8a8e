"""A metric with its standard error, for rows that follow each other in time."""

from typing import TYPE_CHECKING

from include.config.metric import Metric
from include.monitoring.profile import Figure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BLOCKS = 24


def figure(metric: Metric, labels: "Floats", probabilities: "Floats") -> Figure | None:
    """One metric with its standard error.

    The error is the delete-a-block jackknife's (Kuensch 1989): contiguous blocks are left out in turn, because
    misses come in storms, and an error from single rows would be far too small.

    Args:
        metric: its name in the YAML.
        labels: 0 or 1, ordered by time, [n].
        probabilities: of the label 1, [n].

    Returns:
        None when the metric is not defined on these rows.
    """
    import numpy as np

    from include.training.metrics import UndefinedMetricError, measure

    truth, blocks = labels.astype(np.int8), min(_BLOCKS, len(labels) // 2)
    if blocks < 2:
        return None
    block = np.arange(len(labels)) * blocks // len(labels)
    try:
        value = measure(metric, truth, probabilities)
        without = [measure(metric, truth[block != b], probabilities[block != b]) for b in range(blocks)]
    except UndefinedMetricError:
        return None
    spread = float(np.sum((np.asarray(without) - np.mean(without)) ** 2))
    return Figure(metric, value, float((spread * (blocks - 1) / blocks) ** 0.5), len(labels))
