"""What a series is like: its trend, its seasons, and what is left in the errors of its forecast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from almanac.forecast.panel import Array


@dataclass(frozen=True)
class Traits:
    """Of one series.

    Attributes:
        trend_strength: from 0 to 1: how much of what is no season the trend explains.
        seasonal_strength: season -> from 0 to 1: how much of what is no trend it explains.
        growth: of the trend in one season, as a share of the mean absolute value.
    """

    trend_strength: float
    seasonal_strength: Mapping[int, float]
    growth: float


def traits_of(series: "Array", seasons: Sequence[int]) -> Traits:
    """By a classical decomposition: a moving mean over the first season, then the mean of each step of a season.

    Source: Wang, Smith and Hyndman (2006), "Characteristic-based clustering for time series data" (the strengths).
    """
    import numpy as np

    season = seasons[0] if seasons else 1
    trend, inner = _moving_mean(series, season)
    parts: dict[int, Array] = {}
    rest = inner - trend
    for each in seasons:
        if len(rest) >= 2 * each:
            means = np.array([rest[step::each].mean() for step in range(each)])
            parts[each] = np.resize(means, len(rest))
            rest = rest - parts[each]
    size = np.abs(series).mean()
    change = float(np.polyfit(np.arange(len(trend)), trend, 1)[0]) * season if len(trend) > 1 else 0.0
    return Traits(
        trend_strength=_strength(rest, trend),
        seasonal_strength={each: _strength(rest, part) for each, part in parts.items()},
        growth=change / float(size) if size else 0.0,
    )


def autocorrelation(wrong: "Array") -> float:
    """Of neighbouring errors within the backtests, from -1 to 1; 0 where errors do not vary.

    Args:
        wrong: of shape (origins, horizon).
    """
    centred = wrong - wrong.mean()
    total = float((centred**2).sum())
    return float((centred[:, 1:] * centred[:, :-1]).sum()) / total if total else 0.0


def _moving_mean(series: "Array", season: int) -> "tuple[Array, Array]":
    """The mean over a season around each step, and the steps that have one; an even season counts its ends half."""
    import numpy as np

    weights = np.full(season, 1.0 / season)
    if season % 2 == 0:
        weights = np.convolve(weights, [0.5, 0.5])
    elif season == 1:
        weights = np.full(3, 1.0 / 3)
    if len(series) < len(weights) + 1:
        return np.full(len(series), series.mean()), series
    margin = len(weights) // 2
    return np.convolve(series, weights, "valid"), series[margin : len(series) - margin]


def _strength(rest: "Array", part: "Array") -> float:
    total = float((part + rest).var())
    return max(0.0, 1.0 - float(rest.var()) / total) if total else 0.0
