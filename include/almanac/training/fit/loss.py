"""The loss of a fit in epochs.

Log loss for labels 0 and 1, and for classes; for numbers the mean squared error in units of the variance of the
training labels.
"""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Loss:
    """The loss of one fit.

    Args:
        labels: of the training rows: 0 and 1 or positions of classes as integers, or numbers as floats.

    Attributes:
        base: the loss of predicting the share of each label, or the mean, for all rows.
    """

    def __init__(self, labels: "NDArray[Any]") -> None:
        import numpy as np

        self.is_number = labels.dtype.kind == "f"
        self._variance = float(labels.var()) if self.is_number else 1.0
        shares = [] if self.is_number else (np.bincount(labels) / len(labels)).tolist()
        self.base = 1.0 if self.is_number else -sum(p * math.log(p) for p in shares if p > 0)

    def of(self, estimator: Any, values: "NDArray[np.float64]", labels: "NDArray[Any]") -> float:
        """The loss of an estimator on these rows; inf where a prediction is not finite."""
        import numpy as np

        predictions = estimator.predict(values) if self.is_number else estimator.predict_proba(values)
        if not np.isfinite(predictions).all():
            return math.inf
        if self.is_number:
            return float(np.mean((predictions - labels) ** 2)) / self._variance
        # clipped, so that one certain and wrong row does not outweigh all others
        position = np.searchsorted(estimator.classes_, labels)
        right = np.clip(predictions[np.arange(len(labels)), position], 1e-7, 1.0)
        return float(-np.log(right).mean())
