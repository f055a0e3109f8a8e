"""How far two distributions are apart, and how surprising that is. Formulas only; each names its source."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.statistics.distribution import scale_down

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from almanac.statistics.distribution import Distribution

    Floats = NDArray[np.float64]

_SMALLEST_EXPECTED = 5.0  # Cochran (1954): below it chi-squared is no longer chi-squared
_EMPTY_BIN = 1e-4  # stands for an empty bin in PSI, which is infinite on one
FAR = 1e9  # stands for infinitely far, which JSON cannot say


@dataclass(frozen=True, eq=False)
class Curves:
    """Two distribution functions at the same points, which are all that either side knows best: evaluated once.

    Attributes:
        at: ascending and distinct, [n].
        left: P(X < x) of the reference less that of the window, [n].
        right: P(X <= x), likewise, [n].
        winsor: the reference's 0.5 and 99.5 % quantiles, which are among the points.
    """

    at: "Floats"
    left: "Floats"
    right: "Floats"
    winsor: tuple[float, float]

    @classmethod
    def of(cls, reference: "Distribution", window: "Distribution") -> "Curves":
        """Of two sides that are not empty."""
        import numpy as np

        limits = reference.winsor
        at = np.unique(np.concatenate([reference.support(), window.support(), limits]))
        (left_r, right_r), (left_w, right_w) = reference.cdf(at), window.cdf(at)
        return cls(at, left_r - left_w, right_r - right_w, limits)


def kolmogorov_smirnov(curves: Curves) -> float:
    """The largest distance of two distribution functions, in [0, 1] (Smirnov 1948)."""
    import numpy as np

    return float(max(np.abs(curves.left).max(), np.abs(curves.right).max()))


def displaced(reference: "Distribution", window: "Distribution", by: float) -> float:
    """What is left of the KS distance when values may stand up to `by` from where they stood, in [0, 1].

    The largest of F(x - by) - G(x) and G(x - by) - F(x): the one-sided parts of Levy's distance (1925). A column that
    holds one value in most rows (a zero, a default) has a KS distance of that share as soon as the value moves by a
    hair; what no small displacement explains is a change.
    """
    sides = ((reference, window), (window, reference))
    return max(0.0, *(_ahead(first, second, by) for first, second in sides))


def _ahead(first: "Distribution", second: "Distribution", by: float) -> float:
    """The supremum of F(x - by) - G(x): reached where F has just jumped, or where G is about to."""
    import numpy as np

    jumps, falls = first.support(), second.support()
    with np.errstate(over="ignore"):  # what lies beyond the largest number lies beyond every value
        after = first.at_support[1] - second.cdf(jumps + by)[1]
        before = first.cdf(falls - by)[0] - second.at_support[0]
    return float(max(after.max(), before.max()))


def kolmogorov_smirnov_p(distance: float, n: float, m: float) -> float:
    """Two-sample asymptotic p-value with Stephens' correction (Stephens 1970; Press et al., Numerical Recipes 14.3)."""
    from scipy.special import kolmogorov

    root = harmonic_size(n, m) ** 0.5
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


MIN_TESTED = 4.0
"""Effective rows, n m / (n + m), from which on the p-value of `kolmogorov_smirnov_p` holds (Numerical Recipes 14.3)."""


def harmonic_size(n: float, m: float) -> float:
    """What two sizes count for in a test of both: n m / (n + m)."""
    return n * m / (n + m)


def smallest_significant(level: float, n: float, m: float) -> float:
    """The smallest KS distance whose p-value is at most `level`, in [0, 1]; 1 where even the largest is not."""
    from scipy.special import kolmogi

    root = harmonic_size(n, m) ** 0.5
    return float(min(kolmogi(level) / (root + 0.12 + 0.11 / root), 1.0))


def wasserstein(curves: Curves) -> float:
    """Wasserstein-1 of both after clipping to the reference's 0.5 and 99.5 % quantiles, in the column's unit.

    W1 is the area between two distribution functions (Vallender 1974). Clipping keeps one wild value from deciding.
    """
    import numpy as np

    first, last = np.searchsorted(curves.at, curves.winsor)
    inside = slice(first, last + 1)
    start, end = curves.right[inside][:-1], curves.left[inside][1:]
    at, exponent = scale_down(curves.at[inside])
    return float(np.ldexp(np.sum(np.diff(at) * _mean_absolute(start, end)), exponent))


def _mean_absolute(start: "Floats", end: "Floats") -> "Floats":
    """The mean of |line| over segments from `start` to `end`; where the sign changes, two triangles."""
    import numpy as np

    total = np.abs(start) + np.abs(end)
    crossing = start * end < 0
    triangles = (start**2 + end**2) / (2 * np.where(total > 0, total, 1.0))
    return np.where(crossing, triangles, total / 2)


def binned(reference: "Distribution", window: "Distribution") -> "tuple[Floats, Floats]":
    """Shares of both between the deciles of the reference; a value on a border is in the bin below it."""
    import numpy as np

    borders = np.unique(reference.deciles())
    return tuple(  # type: ignore[return-value]
        np.diff(np.concatenate([[0.0], side.cdf(borders)[1], [1.0]])) for side in (reference, window)
    )


def population_stability(reference: "Floats", window: "Floats") -> float:
    """PSI, the sum of (q - p) ln(q / p) (Siddiqi 2006; it is Jeffreys' divergence)."""
    import numpy as np

    p, q = np.maximum(reference, _EMPTY_BIN), np.maximum(window, _EMPTY_BIN)
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(reference: "Floats", window: "Floats") -> float:
    """Jensen-Shannon distance, base 2: the root of the divergence, in [0, 1] (Endres and Schindelin 2003)."""
    import numpy as np

    middle = (reference + window) / 2

    def divergence(p: "Floats") -> float:
        there = p > 0
        return float(np.sum(p[there] * np.log2(p[there] / middle[there])))

    mean = (divergence(reference) + divergence(window)) / 2
    return float(max(mean, 0.0) ** 0.5)


def hellinger(reference: "Floats", window: "Floats") -> float:
    """Hellinger distance, in [0, 1]: |sqrt(p) - sqrt(q)| / sqrt(2) (Hellinger 1909; Le Cam and Yang 2000, 3.2)."""
    import numpy as np

    return float(np.linalg.norm(np.sqrt(reference) - np.sqrt(window)) / 2**0.5)


def kullback_leibler(reference: "Floats", window: "Floats") -> float:
    """Kullback-Leibler divergence of the window from the reference, in nats: sum of q ln(q / p).

    Kullback and Leibler (1951). It is infinite where the reference has an empty bin: that bin stands at 1e-4.
    """
    import numpy as np

    there = window > 0
    return float(np.sum(window[there] * np.log(window[there] / np.maximum(reference[there], _EMPTY_BIN))))


def total_variation(reference: "Floats", window: "Floats") -> float:
    """Half the sum of absolute differences of shares, in [0, 1]."""
    import numpy as np

    return float(np.abs(reference - window).sum() / 2)


def homogeneity(reference: "Floats", window: "Floats", *, n: float, m: float) -> tuple[float, float]:
    """Chi-squared test that two sets of shares come from one distribution (Pearson 1911).

    Args:
        reference: shares of the categories, which sum to 1.
        window: the same.
        n: effective size of the reference; a design effect is divided out of sizes (Rao and Scott 1981, first order).
        m: effective size of the window.

    Returns:
        The statistic and its p-value; 0 and 1 when there is but one category.
    """
    import numpy as np
    from scipy.special import chdtrc

    counts = np.vstack([reference * n, window * m])
    counts = _pool_rare(counts[:, counts.sum(axis=0) > 0])
    if counts.shape[1] < 2:
        return 0.0, 1.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(counts.shape[1] - 1, statistic))


def _pool_rare(counts: "Floats") -> "Floats":
    """Put categories together, rarest first, until every expected count is large enough or two are left."""
    import numpy as np

    smaller = counts.sum(axis=1).min() / counts.sum()
    counts = counts[:, np.argsort(counts.sum(axis=0))]
    while counts.shape[1] > 2 and counts[:, 0].sum() * smaller < _SMALLEST_EXPECTED:
        pooled = counts[:, :1] + counts[:, 1:2]
        counts = np.hstack([pooled, counts[:, 2:]])
        counts = counts[:, np.argsort(counts.sum(axis=0))]
    return counts


def proportions(p: float, q: float, *, n: float, m: float) -> tuple[float, float]:
    """Two-proportion z-test with the pooled proportion (Fleiss, Levin and Paik 2003, 3.2).

    Returns:
        z, above 0 when q is the larger one, and its two-sided p-value.
    """
    from scipy.special import ndtr

    pooled = (p * n + q * m) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    if variance <= 0:
        return 0.0, 1.0
    z = (q - p) / variance**0.5
    return z, float(2 * ndtr(-abs(z)))


def mean_z(reference: "Distribution", window: "Distribution", *, n: float, m: float) -> float:
    """How many standard errors the mean has moved by: Welch's statistic (1947), its sizes effective ones.

    0 when both sides are constant and equal, `FAR` when both are constant and differ.
    """
    moved = window.mean / 2 - reference.mean / 2  # halved, and no squares: those of huge numbers overflow
    error = math.hypot(reference.sd / 2 / n**0.5, window.sd / 2 / m**0.5)
    if moved == 0:
        return 0.0
    return math.copysign(min(abs(moved) / error, FAR) if error > 0 else FAR, moved)
