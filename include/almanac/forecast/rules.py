"""Simple rules in numpy, each applied to all series at once.

A rule is a function of a panel and a horizon. It gives an array of shape (series, horizon), with NaN for a series that
is too short for it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from almanac.forecast.panel import Panel, unknown

if TYPE_CHECKING:
    from almanac.forecast.panel import Array

Rule = Callable[[Panel, int], "Array"]

_MIN_WINDOWS = 10  # of a regression: fewer say little
_MOST = 20.0  # deviations of a logarithm: exp() beyond it is no forecast


def last_value(panel: Panel, horizon: int) -> "Array":
    """The last value."""
    return panel.last(1).repeat(horizon, axis=1)


def drift(panel: Panel, horizon: int) -> "Array":
    """The straight line from the first value of a series through its last one."""
    import numpy as np

    found = unknown(panel, horizon)
    ahead = np.arange(1, horizon + 1)
    for number, length in enumerate(panel.lengths):
        if length > 1:
            series = panel.series(number)
            found[number] = series[-1] + (series[-1] - series[0]) / (length - 1) * ahead
    return found


def last_season(season: int) -> Rule:
    """The value of one season ago."""
    return lambda panel, horizon: _repeat(panel.last(season), horizon)


def seasonal_mean(season: int, seasons: int) -> Rule:
    """The mean of the same step in the last seasons."""

    def forecast(panel: Panel, horizon: int) -> "Array":
        past = panel.last(season * seasons).reshape(len(panel), seasons, season)
        return _repeat(past.mean(axis=1), horizon)

    return forecast


def seasonal_level(season: int, recent: int) -> Rule:
    """The value of one season ago, moved by how much the recent steps lie above those of one season ago."""

    def forecast(panel: Panel, horizon: int) -> "Array":
        past = panel.last(season + recent)
        moved = past[:, season:].mean(axis=1) - past[:, :recent].mean(axis=1)
        found: Array = _repeat(past[:, recent:], horizon) + moved[:, None]
        return found

    return forecast


def ridge(lags: int, level: int, penalty: float, *, log: bool) -> Rule:
    """A ridge regression of the next `horizon` steps on the last `lags` steps, for each series by itself.

    Args:
        lags: the steps that it looks back.
        level: the steps whose mean is taken off both sides, so that a series may change its level.
        penalty: of the squared coefficients, per window, of values with deviation 1.
        log: of the logarithms; only for series without a value of 0 or less.
    """

    def forecast(panel: Panel, horizon: int) -> "Array":
        import numpy as np

        found = unknown(panel, horizon)
        for number, length in enumerate(panel.lengths):
            series = panel.series(number)
            if length < lags + horizon + _MIN_WINDOWS or (log and series.min() <= 0):
                continue
            values = np.log(series) if log else series
            deviation = values.std()
            if deviation > 0:
                mean = values.mean()
                ahead = _regress((values - mean) / deviation, lags, level, horizon, penalty)
                ahead = np.clip(ahead, -_MOST, _MOST) * deviation + mean
                found[number] = np.exp(ahead) if log else ahead
        return found

    return forecast


def _regress(values: "Array", lags: int, level: int, horizon: int, penalty: float) -> "Array":
    """The next steps of one series of deviation 1."""
    import numpy as np

    windows = np.lib.stride_tricks.sliding_window_view(values, lags + horizon)
    levels = windows[:, lags - level : lags].mean(axis=1, keepdims=True)
    inputs, outputs = windows[:, :lags] - levels, windows[:, lags:] - levels
    count = len(windows)
    if count >= lags:
        gram = inputs.T @ inputs
        gram[np.diag_indices(lags)] += penalty * count
        weights = np.linalg.solve(gram, inputs.T @ outputs)
    else:  # the same solution, by the smaller of the two matrices
        gram = inputs @ inputs.T
        gram[np.diag_indices(count)] += penalty * count
        weights = inputs.T @ np.linalg.solve(gram, outputs)
    recent = values[-lags:]
    now = recent[lags - level :].mean()
    found: Array = (recent - now) @ weights + now
    return found


def _repeat(season: "Array", horizon: int) -> "Array":
    """The steps of a season again and again, of shape (series, horizon)."""
    import numpy as np

    return np.tile(season, (1, -(-horizon // season.shape[1])))[:, :horizon]
