"""How far two distributions are apart, and how surprising that is. Formulas only; each names its source."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.monitoring.distribution import Mixture

    Floats = NDArray[np.float64]

_SMALLEST_EXPECTED = 5.0  # Cochran (1954): below it chi-squared is no longer chi-squared
_EMPTY_BIN = 1e-4  # stands for an empty bin in PSI, which is infinite on one


def kolmogorov_smirnov(reference: "Mixture", window: "Mixture") -> float:
    """The largest distance of two distribution functions, in [0, 1] (Smirnov 1948)."""
    import numpy as np

    at = np.union1d(reference.support(), window.support())
    (left_r, right_r), (left_w, right_w) = reference.cdf(at), window.cdf(at)
    return float(max(np.abs(left_r - left_w).max(), np.abs(right_r - right_w).max()))


def kolmogorov_smirnov_p(distance: float, n: float, m: float) -> float:
    """Two-sample asymptotic p-value with Stephens' correction (Stephens 1970; Press et al., Numerical Recipes 14.3)."""
    from scipy.special import kolmogorov

    root = (n * m / (n + m)) ** 0.5
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


def wasserstein(reference: "Mixture", window: "Mixture") -> float:
    """Wasserstein-1 of both after clipping to the reference's 0.5 and 99.5 % quantiles, in the column's unit.

    W1 is the area between two distribution functions (Vallender 1974). Clipping keeps one wild value from deciding.
    """
    import numpy as np

    low, high = reference.winsor
    inner = np.union1d(reference.support(), window.support())
    at = np.concatenate([[low], inner[(inner > low) & (inner < high)], [high]])
    (left_r, right_r), (left_w, right_w) = reference.cdf(at), window.cdf(at)
    start, end = (right_r - right_w)[:-1], (left_r - left_w)[1:]
    return float(np.sum(np.diff(at) * _mean_absolute(start, end)))


def _mean_absolute(start: "Floats", end: "Floats") -> "Floats":
    """The mean of |line| over segments from `start` to `end`; where the sign changes, two triangles."""
    import numpy as np

    total = np.abs(start) + np.abs(end)
    crossing = start * end < 0
    triangles = (start**2 + end**2) / (2 * np.where(total > 0, total, 1.0))
    return np.where(crossing, triangles, total / 2)


def binned(reference: "Mixture", window: "Mixture", bins: int = 10) -> "tuple[Floats, Floats]":
    """Shares of both in bins of about equal share of the reference; every value at or below a border is in its bin."""
    import numpy as np

    support = reference.support()
    _, right = reference.cdf(support)
    borders = np.unique(support[np.searchsorted(right, np.arange(1, bins) / bins - 1e-12)])
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


def total_variation(reference: "Floats", window: "Floats") -> float:
    """Half the sum of absolute differences of shares, in [0, 1]."""
    import numpy as np

    return float(np.abs(reference - window).sum() / 2)


def homogeneity_p(reference: "Floats", window: "Floats", *, n: float, m: float) -> float:
    """Chi-squared test that two sets of shares come from one distribution (Pearson 1911).

    Args:
        reference: shares of the categories, which sum to 1.
        window: the same.
        n: effective size of the reference; a design effect is divided out of sizes (Rao and Scott 1981, first order).
        m: effective size of the window.

    Returns:
        The p-value; 1 when there is but one category.
    """
    import numpy as np
    from scipy.special import chdtrc

    counts = np.vstack([reference * n, window * m])
    counts = _pool_rare(counts[:, counts.sum(axis=0) > 0])
    if counts.shape[1] < 2:
        return 1.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return float(chdtrc(counts.shape[1] - 1, statistic))


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


def proportions_p(p: float, q: float, *, n: float, m: float) -> float:
    """Two-sided two-proportion z-test with the pooled proportion (Fleiss, Levin and Paik 2003, 3.2)."""
    from scipy.special import ndtr

    pooled = (p * n + q * m) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return float(2 * ndtr(-abs(p - q) / variance**0.5)) if variance > 0 else 1.0


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values, in the order given: below a rate r they keep the false discovery rate at r.

    Benjamini and Hochberg (1995); valid under the positive dependence that columns of one table have (2001).
    """
    import numpy as np

    if not p_values:
        return ()
    p = np.asarray(p_values)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return tuple(adjusted.tolist())
