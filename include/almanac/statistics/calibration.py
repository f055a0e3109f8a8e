"""Whether probabilities are what they say.

Sources: Brier (1950), Monthly Weather Review 78(1); Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated
probabilities using Bayesian binning", AAAI, for the expected calibration error.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Bin:
    """Rows of like probability: how many, the mean predicted probability, and the observed share."""

    rows: int
    predicted: float
    happened: float


@dataclass(frozen=True)
class Calibration:
    """`ece`: mean of |observed share - mean probability|; `brier`: mean squared error of the probabilities."""

    ece: float
    brier: float
    bins: tuple[Bin, ...]


def calibration_of(labels: "NDArray[np.int8]", probabilities: "NDArray[np.float64]", *, bins: int) -> Calibration:
    """Calibration in bins of equal width; empty ones are left out.

    Args:
        labels: 0 or 1, [n].
        probabilities: of the label 1, [n].
        bins: their number.

    Raises:
        DataError: no row, or a probability that is none: it would be dropped silently.
    """
    import numpy as np

    possible = (probabilities >= 0) & (probabilities <= 1)
    if not len(labels) or not possible.all():
        wrong = int((~possible).sum())
        raise DataError(f"calibration: got {wrong} of {len(labels)} probabilities NaN or outside [0, 1], expected none")
    position = np.minimum((probabilities * bins).astype(int), bins - 1)
    found = [
        Bin(int(chosen.sum()), float(probabilities[chosen].mean()), float(labels[chosen].mean()))
        for chosen in (position == number for number in range(bins))
        if chosen.any()
    ]
    ece = sum(one.rows * abs(one.happened - one.predicted) for one in found) / len(labels)
    return Calibration(ece, float(np.mean((probabilities - labels) ** 2)), tuple(found))
