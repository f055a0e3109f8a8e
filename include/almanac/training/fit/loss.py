"""How far an estimator is from its labels while it learns.

Of yes or no the log loss, of numbers the mean squared error in units of the variance of the labels that teach.
"""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Loss:
    """The measure of one training.

    Args:
        labels: those that teach: 0 and 1 as integers, or numbers as floats.

    Attributes:
        base: the loss of always saying the share of ones, or the mean.
    """

    def __init__(self, labels: "NDArray[Any]") -> None:
        self.is_number = labels.dtype.kind == "f"
        self._variance = float(labels.var()) if self.is_number else 1.0
        share = float(labels.mean())
        self.base = 1.0 if self.is_number else -sum(p * math.log(p) for p in (share, 1 - share) if p > 0)

    def of(self, estimator: Any, values: "NDArray[np.float64]", labels: "NDArray[Any]") -> float:
        """Of its answers to these rows; inf where one is undefined."""
        import numpy as np

        said = estimator.predict(values) if self.is_number else estimator.predict_proba(values)[:, 1]
        if not np.isfinite(said).all():
            return math.inf
        if self.is_number:
            return float(np.mean((said - labels) ** 2)) / self._variance
        # clipped so far from certainty that one wrong row does not hide all others
        right = np.clip(np.where(labels == 1, said, 1 - said), 1e-7, 1.0)
        return float(-np.log(right).mean())
