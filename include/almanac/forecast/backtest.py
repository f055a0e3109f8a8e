"""Forecasts of the past: what each candidate would have said at earlier times, and how wrong it would have been."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from almanac.forecast.candidates import Candidate
from almanac.forecast.panel import Panel

if TYPE_CHECKING:
    from almanac.forecast.panel import Array


@dataclass(frozen=True)
class Backtests:
    """Rolling origins: the newest ends one horizon before the end of the series, the one before it two, and so on.

    Attributes:
        names: of the candidates.
        forecasts: of shape (origins, candidates, series, horizon), the newest origin first; NaN: there is none.
        actuals: of shape (origins, series, horizon).
        failures: number of the series -> candidate -> why it failed.
    """

    names: tuple[str, ...]
    forecasts: "Array"
    actuals: "Array"
    failures: Mapping[int, Mapping[str, str]]


def backtest(panel: Panel, candidates: Mapping[str, Candidate], horizon: int, origins: int) -> Backtests:
    """Let all candidates forecast the last `origins` horizons of all series, each without seeing what comes after."""
    import numpy as np

    forecasts = np.empty((origins, len(candidates), len(panel), horizon))
    actuals = np.empty((origins, len(panel), horizon))
    failures: dict[int, dict[str, str]] = {}
    for origin in range(origins):
        seen = panel.before((origin + 1) * horizon)
        actuals[origin] = panel.before(origin * horizon).last(horizon)
        for number, (name, candidate) in enumerate(candidates.items()):
            found = candidate(seen, horizon)
            forecasts[origin, number] = found.values
            for series, why in found.failures.items():
                failures.setdefault(series, {}).setdefault(name, why)
    return Backtests(tuple(candidates), forecasts, actuals, failures)


def errors(forecasts: "Array", actuals: "Array", scales: "Array", by: Literal["mase", "smape"]) -> "Array":
    """The mean error over origins and steps, of shape (..., series); infinite where there is no forecast.

    Args:
        forecasts: of shape (origins, ..., series, horizon).
        actuals: the same without the axes between.
        scales: of `scales_of`; used by mase.
        by: sMAPE counts 0 where forecast and actual are both 0; it is in percent, from 0 to 200.
    """
    import numpy as np

    between = forecasts.ndim - actuals.ndim
    actual = actuals.reshape(actuals.shape[0], *(1,) * between, *actuals.shape[1:])
    wrong = np.abs(actual - forecasts)
    if by == "smape":
        size = np.abs(actual) + np.abs(forecasts)
        wrong = 200.0 * np.divide(wrong, size, out=0.0 * size, where=size > 0)  # what is unknown stays so
    found = wrong.mean(axis=-1).mean(axis=0)
    found = found / scales if by == "mase" else found
    return np.where(np.isfinite(found), found, np.inf)


def scales_of(panel: Panel, season: int) -> "Array":
    """The mean absolute error of seasonal naive within each series, by which MASE is scaled; NaN where it is 0.

    Source: Hyndman and Koehler (2006), "Another look at measures of forecast accuracy".
    """
    import numpy as np

    scales = np.full(len(panel), np.nan)
    for number in range(len(panel)):
        series = panel.series(number)
        if len(series) > season and (scale := np.abs(series[season:] - series[:-season]).mean()) > 0:
            scales[number] = scale
    return scales
