"""How wide the intervals of a forecast are: conformal, scaled by grain and step, with one quantile over all grains.

A grain has as many independent errors as it has backtests, and these are few: a quantile of them alone is too low. So a
grain gives only its scale, which is the size of its own errors by step; the quantile is taken over the scaled errors of
all grains of a version.

Source: Lei et al. (2018), "Distribution-free predictive inference for regression" (locally weighted conformal).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from almanac.forecast.panel import Array

_SMALLEST = 1e-12  # of a scale: below it a series is forecast without any error
_OWN_STEP = 0.5  # weight of the errors up to the step; the rest is the mean over all steps, which varies less


def scale_of(wrong: "Array") -> "Array":
    """The size of errors at each step ahead, of shape (horizon,); it never falls with the step.

    Args:
        wrong: errors of backtests, of shape (origins, horizon).
    """
    import numpy as np

    size = np.abs(wrong).mean(axis=0)
    up_to_step = np.maximum.accumulate(size.cumsum() / np.arange(1, len(size) + 1))
    found: Array = (_OWN_STEP * up_to_step + (1 - _OWN_STEP) * size.mean()).clip(min=_SMALLEST)
    return found


def scores_of(wrong: "Array") -> "Array":
    """Errors divided by the scale that the other backtests give, of shape (origins, horizon)."""
    import numpy as np

    return np.stack(
        [np.abs(wrong[origin]) / scale_of(np.delete(wrong, origin, axis=0)) for origin in range(len(wrong))]
    )


def quantiles_of(scores: "Sequence[Sequence[float] | Array]", levels: Sequence[float]) -> dict[float, float]:
    """Interval -> by how much the scale of a grain is multiplied, with the correction for a finite sample.

    Args:
        scores: of all grains of a version.
        levels: the share of values that each interval claims to hold.
    """
    import numpy as np

    pooled = np.sort(np.concatenate([np.asarray(each) for each in scores]))
    places = {level: min(int(np.ceil((len(pooled) + 1) * level)), len(pooled)) for level in levels}
    return {level: float(pooled[place - 1]) for level, place in places.items()}


def coverage_of(results: "pl.DataFrame", levels: Sequence[float]) -> dict[float, float]:
    """Interval -> the share of backtest values within it, where the quantile is that of the other backtests.

    Args:
        results: with `scores`, of which each row has `origins` parts of the same length.
        levels: see `quantiles_of`.
    """
    import numpy as np

    scores = [np.asarray(row).reshape(origins, -1) for row, origins in results.select("scores", "origins").iter_rows()]
    within: dict[float, list[Array]] = {level: [] for level in levels}
    for origin in range(max(map(len, scores), default=0)):
        has = [each for each in scores if origin < len(each)]
        others = quantiles_of([np.delete(each, origin, axis=0).ravel() for each in has], levels)
        for level, limit in others.items():
            within[level] += [each[origin] <= limit for each in has]
    return {level: float(np.concatenate(found).mean()) for level, found in within.items()}


def ends_of(
    results: "pl.DataFrame", levels: Sequence[float], low: float, high: float
) -> Mapping[float, tuple["list[Array]", "list[Array]"]]:
    """Interval -> its lower and upper ends for each row of a version, each of shape (horizon,)."""
    import numpy as np

    factors = quantiles_of(results["scores"].to_list(), levels)
    values = [np.asarray(row) for row in results["forecast"].to_list()]
    scales = [np.asarray(row) for row in results["scale"].to_list()]
    pairs = list(zip(values, scales, strict=True))
    return {
        level: (
            [(value - factor * scale).clip(low, high) for value, scale in pairs],
            [(value + factor * scale).clip(low, high) for value, scale in pairs],
        )
        for level, factor in factors.items()
    }
