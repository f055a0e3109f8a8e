"""Trends of few and uneven figures: Theil-Sen's slope, which single odd days do not move.

The slope is the median of the slopes between all pairs of points (Sen 1968); its interval, by the distribution of
Kendall's tau, says whether there is a trend at all. Up to 29 % of the points may be wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_LEAST = 5  # with fewer points the interval is without bounds
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Trend:
    """Growth of a figure for each unit of `x`; `low` is the lower bound of its 95 % interval."""

    slope: float
    low: float

    @property
    def grows(self) -> bool:
        """Whether it grows, and not by chance."""
        return self.low > 0

    def until(self, value: float, limit: float) -> float | None:
        """How many units of `x` until it reaches a limit; 0: it has; None: it does not grow, and stands below."""
        if value >= limit:
            return 0.0
        return (limit - value) / self.slope if self.grows else None


def trend_of(x: Sequence[float], y: Sequence[float]) -> Trend | None:
    """The trend of `y` over `x`, [n] each, finite; None: fewer than five points, or all at one `x`."""
    if len(x) < _LEAST or len(set(x)) < _LEAST:
        return None
    from scipy.stats import theilslopes

    found = theilslopes(y, x, alpha=_CONFIDENCE)
    return Trend(float(found.slope), float(found.low_slope))
