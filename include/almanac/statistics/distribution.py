"""A numeric distribution as knots of its distribution function, left and right of each value.

Keeping P(X < x) beside P(X <= x) makes ties, zero inflation and constants exact. Between knots the function is taken
as a straight line.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WINSOR = (0.005, 0.995)
TAIL_KNOTS = 24
_TAIL_LEVELS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02)
DECILES = tuple(level / 10 for level in range(1, 10))
_ROUNDING = 1e-9
_MAX_SUPPORT = 2048  # points of a sample of any size; between them a distance can hide 1 / 2048 at most


class Distribution(Protocol):
    """What the measures ask of either side; `n` is 0 when there are no values."""

    @property
    def n(self) -> float:
        """The (effective) number of values."""

    @property
    def mean(self) -> float:
        """The mean, in the column's unit."""

    @property
    def sd(self) -> float:
        """The standard deviation, divided by n."""

    @property
    def reach(self) -> tuple[float, float]:
        """The smallest and the largest value."""

    @property
    def winsor(self) -> tuple[float, float]:
        """The 0.5 and 99.5 % quantiles."""

    @property
    def spread(self) -> float:
        """The standard deviation after clipping to the winsor limits: the scale that one wild value cannot stretch."""

    def support(self) -> "Floats":
        """Where the distribution function is known best, ascending and distinct."""

    @property
    def at_support(self) -> "tuple[Floats, Floats]":
        """P(X < x) and P(X <= x) at each point of the support."""

    def deciles(self) -> "Floats":
        """The smallest values whose distribution function reaches .1, .2 ... .9, [9]."""

    def cdf(self, at: "Floats") -> "tuple[Floats, Floats]":
        """P(X < x) and P(X <= x) at each point, [n] and [n]."""


@dataclass(frozen=True)
class NumberSample:
    """What is kept of the numbers of one column; empty tuples and zeros when there are none.

    Attributes:
        n: values that are not null.
        nulls: values that are null.
        mean, sd, minimum, maximum: moments and range in the column's unit; `sd` divides by n.
        x: knots in ascending order, each an observed value.
        left: P(X < x) at each knot.
        right: P(X <= x) at each knot.
        winsor: the 0.5 and 99.5 % quantiles.
    """

    n: int
    nulls: int
    mean: float
    sd: float
    minimum: float
    maximum: float
    x: tuple[float, ...]
    left: tuple[float, ...]
    right: tuple[float, ...]
    winsor: tuple[float, float]

    @cached_property
    def arrays(self) -> "tuple[Floats, Floats, Floats]":
        """`x`, `left` and `right` for computing."""
        import numpy as np

        return np.asarray(self.x), np.asarray(self.left), np.asarray(self.right)


def moments(values: "Floats") -> tuple[float, float]:
    """Mean and standard deviation, divided by n, of finite numbers, [n]; neither overflows."""
    import numpy as np

    scaled, exponent = scale_down(values)
    return float(np.ldexp(scaled.mean(), exponent)), float(np.ldexp(scaled.std(), exponent))


def scale_down(values: "Floats") -> "tuple[Floats, int]":
    """Finite numbers, [n], divided by the power of two that brings them into [-1, 1], and its exponent.

    Their squares and differences do not overflow; no digit changes, but of numbers that are nothing beside the largest.
    """
    import numpy as np

    exponent = int(np.frexp(np.abs(values).max())[1])
    return np.ldexp(values, -exponent), exponent


def summarise(values: "Floats", *, nulls: int, knots: int | None = None) -> NumberSample:
    """Summarise finite numbers, [n].

    Args:
        values: in any order.
        nulls: how many values are missing beside them.
        knots: keep about this many; none, or at most this many distinct values: keep all, which is exact.
    """
    import numpy as np

    if not len(values):
        return NumberSample(0, nulls, 0.0, 0.0, 0.0, 0.0, (), (), (), (0.0, 0.0))
    x, counts = np.unique(values, return_counts=True)
    right = np.cumsum(counts) / len(values)
    left = np.concatenate([[0.0], right[:-1]])
    scaled, exponent = scale_down(values)
    low, high = np.ldexp(np.quantile(scaled, WINSOR), exponent)
    mean, sd = moments(values)
    if knots is not None and len(x) > knots:
        keep = _knots(right, knots)
        lone = counts[keep] <= 2  # nine digits place a lone value well; a tie must be met exactly
        x, left, right = np.where(lone, _nine_digits(x[keep]), x[keep]), left[keep], right[keep]
    return NumberSample(
        n=len(values),
        nulls=nulls,
        mean=mean,
        sd=sd,
        minimum=float(x[0]),
        maximum=float(x[-1]),
        x=tuple(x.tolist()),
        left=tuple(np.round(left, 6).tolist()),
        right=tuple(np.round(right, 6).tolist()),
        winsor=(float(low), float(high)),
    )


def _knots(right: "Floats", count: int) -> "NDArray[np.intp]":
    """Positions of about `count` knots: evenly in probability, more in the tails, both ends, and every heavy tie."""
    import numpy as np

    tails = np.asarray(_TAIL_LEVELS)
    levels = np.concatenate([np.linspace(0, 1, count), tails, 1 - tails, DECILES])
    spaced = np.searchsorted(right, np.minimum(levels - _ROUNDING, right[-1]))
    heavy = np.flatnonzero(np.diff(right, prepend=0.0) > 1 / count)  # a tie this heavy is a jump, not a slope
    return np.unique(np.concatenate([spaced, heavy, [0, len(right) - 1]]))


def _nine_digits(x: "Floats") -> "Floats":
    import numpy as np

    return np.asarray([float(f"{value:.9g}") for value in x])


@dataclass(frozen=True)
class Mixture:
    """Samples mixed by weights that sum to 1: the reference of a window that touches several parts of the year."""

    samples: Sequence[NumberSample]
    weights: Sequence[float]

    @property
    def n(self) -> float:
        """The effective number of values: Kish's 1 / sum(w^2 / n)."""
        return 1.0 / sum(w * w / s.n for s, w in zip(self.samples, self.weights, strict=True))

    @property
    def mean(self) -> float:
        """The mean of the mixture."""
        return sum(w * s.mean for s, w in zip(self.samples, self.weights, strict=True))

    @property
    def sd(self) -> float:
        """The standard deviation of the mixture: within and between its parts."""
        pairs, mean = zip(self.samples, self.weights, strict=True), self.mean
        parts = ((w**0.5 * s.sd, w**0.5 * s.mean - w**0.5 * mean) for s, w in pairs)
        return math.hypot(*(part for pair in parts for part in pair))  # squares of huge numbers overflow

    @property
    def reach(self) -> tuple[float, float]:
        """The smallest and the largest value of any part."""
        return min(s.minimum for s in self.samples), max(s.maximum for s in self.samples)

    @property
    def winsor(self) -> tuple[float, float]:
        """The widest of the parts' winsor limits."""
        return min(s.winsor[0] for s in self.samples), max(s.winsor[1] for s in self.samples)

    @cached_property
    def spread(self) -> float:
        """The standard deviation after clipping, of mass at the knots and mass spread evenly between them."""
        import numpy as np

        low, high = self.winsor
        inner = self.support()
        at = np.concatenate([[low], inner[(inner > low) & (inner < high)], [high]])
        left, right = self.cdf(at)
        left[0], right[-1] = 0.0, 1.0  # what is clipped lies on the limits
        on, between = right - left, left[1:] - right[:-1]
        at, exponent = scale_down(at)
        a, b = at[:-1], at[1:]
        mean = float(on @ at + between @ (a + b) / 2)
        a, b = a - mean, b - mean
        variance = on @ (at - mean) ** 2 + between @ (a * a + a * b + b * b) / 3
        return float(np.ldexp(variance**0.5, exponent))

    def support(self) -> "Floats":
        """All knots, ascending and distinct."""
        return self._support

    @cached_property
    def _support(self) -> "Floats":
        import numpy as np

        return np.unique(np.concatenate([sample.arrays[0] for sample in self.samples]))

    @cached_property
    def at_support(self) -> "tuple[Floats, Floats]":
        """P(X < x) and P(X <= x) at each knot."""
        return self.cdf(self._support)

    def deciles(self) -> "Floats":
        """The smallest knots whose distribution function reaches .1, .2 ... .9, [9]."""
        import numpy as np

        support, (_, right) = self._support, self.at_support
        # a profile keeps six digits: what was exactly a tenth may stand there as a little less
        position = np.searchsorted(right, np.asarray(DECILES) - 1e-6)
        found: Floats = support[np.minimum(position, len(support) - 1)]
        return found

    def cdf(self, at: "Floats") -> "tuple[Floats, Floats]":
        """P(X < x) and P(X <= x) at each point, [n] and [n]."""
        import numpy as np

        left, right = np.zeros(len(at)), np.zeros(len(at))
        for sample, weight in zip(self.samples, self.weights, strict=True):
            part_left, part_right = _cdf(sample, at)
            left += weight * part_left
            right += weight * part_right
        return left, right


@dataclass(frozen=True, eq=False)
class Observed:
    """Values as they are: exact everywhere, and known best at 2,048 points spread evenly in probability.

    Attributes:
        values: finite, in ascending order, [n].
    """

    values: "Floats"

    @classmethod
    def of(cls, values: "Floats") -> "Observed":
        """From finite values in any order."""
        import numpy as np

        return cls(np.sort(values))

    @property
    def n(self) -> float:
        """The number of values."""
        return float(len(self.values))

    @property
    def mean(self) -> float:
        """The mean."""
        return self._moments[0]

    @property
    def sd(self) -> float:
        """The standard deviation."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[float, float]:
        return moments(self.values)

    @property
    def reach(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return float(self.values[0]), float(self.values[-1])

    @property
    def winsor(self) -> tuple[float, float]:
        """The 0.5 and 99.5 % quantiles, as numpy gives them by default."""
        import numpy as np

        position = np.asarray(WINSOR) * (len(self.values) - 1)
        below = np.floor(position).astype(int)
        above = np.minimum(below + 1, len(self.values) - 1)
        part = position - below
        low, high = self.values[below] * (1 - part) + part * self.values[above]  # their difference may overflow
        return float(low), float(high)

    @cached_property
    def spread(self) -> float:
        """The standard deviation after clipping."""
        import numpy as np

        return moments(np.clip(self.values, *self.winsor))[1]

    def support(self) -> "Floats":
        """All distinct values, or 2,048 of them spread evenly in probability, both ends among them."""
        return self._support

    @cached_property
    def _support(self) -> "Floats":
        import numpy as np

        if len(self.values) <= _MAX_SUPPORT:
            return np.unique(self.values)
        return np.unique(self.values[np.linspace(0, len(self.values) - 1, _MAX_SUPPORT).astype(int)])

    @cached_property
    def at_support(self) -> "tuple[Floats, Floats]":
        """P(X < x) and P(X <= x) at each of these."""
        return self.cdf(self._support)

    def deciles(self) -> "Floats":
        """The smallest values whose distribution function reaches .1, .2 ... .9, [9]."""
        import numpy as np

        position = np.ceil(np.asarray(DECILES) * len(self.values) - _ROUNDING).astype(int)
        found: Floats = self.values[np.maximum(position, 1) - 1]
        return found

    def cdf(self, at: "Floats") -> "tuple[Floats, Floats]":
        """P(X < x) and P(X <= x) at each point, [n] and [n]."""
        import numpy as np

        values, last = self.values, len(self.values) - 1
        left = np.searchsorted(values, at, "left")
        right = left + (values[np.minimum(left, last)] == at)
        tied = values[np.minimum(right, last)] == at  # more than once there: few points, and a second search for them
        tied &= right <= last
        right[tied] = np.searchsorted(values, at[tied], "right")
        return left / len(values), right / len(values)


def _cdf(sample: NumberSample, at: "Floats") -> "tuple[Floats, Floats]":
    import numpy as np

    x, left, right = sample.arrays
    position = np.searchsorted(x, at, side="right") - 1  # the last knot that is not above the point
    below = np.maximum(position, 0)
    above = np.minimum(below + 1, len(x) - 1)
    start, height = x[below], right[below]
    width = x[above] / 2 - start / 2  # halved: the whole of it may overflow
    with np.errstate(over="ignore"):
        share = np.clip((at / 2 - start / 2) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    between = height + share * np.where(width > 0, left[above] - height, 0.0)
    on_knot, before = start == at, position < 0
    from_left, from_right = np.where(on_knot, left[below], between), np.where(on_knot, height, between)
    from_left[before] = from_right[before] = 0.0
    return from_left, from_right
