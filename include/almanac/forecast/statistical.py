"""Statistical candidates by statsmodels, fitted to one series after the other."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from almanac.config.sections.forecast import Forecast

if TYPE_CHECKING:
    from almanac.forecast.panel import Array

Fit = Callable[["Array", int], "Array"]
"""A function of one series and a horizon. It raises one of `FAILURES` where it has no forecast."""

FAILURES = (ValueError, ArithmeticError, IndexError, TypeError)  # numpy's LinAlgError is a ValueError
"""How libraries refuse a series that is too short, too flat, or that they cannot solve."""


def fits_of(forecast: Forecast) -> dict[str, Fit]:
    """The declared statistical candidates by name."""
    declared, seasons = forecast.candidates, forecast.season
    season = seasons[0] if seasons else 1
    found: dict[str, Fit] = {}
    if (ets := declared.ets) is not None:
        found["ets"] = _ets(season if ets.seasonal else 1, trend=ets.trend, damped=ets.damped)
    if (arima := declared.arima) is not None:
        found["arima"] = _arima(arima.order, (*arima.seasonal, season if any(arima.seasonal) else 0))
    if declared.theta is not None:
        found["theta"] = _theta(season)
    if declared.mstl is not None:
        found["mstl"] = _mstl(seasons)
    return found


def finite(values: "Array") -> "Array":
    """What a library gives.

    Raises:
        ValueError: it is not a number everywhere.
    """
    import numpy as np

    if not np.isfinite(values).all():
        raise ValueError("the fit gives no finite forecast")
    return values


def _ets(season: int, *, trend: bool, damped: bool) -> Fit:
    def forecast(series: "Array", horizon: int) -> "Array":
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        seasonal = {"seasonal": "add", "seasonal_periods": season} if season > 1 else {}
        with _quiet():
            model = ETSModel(series, error="add", trend="add" if trend else None, damped_trend=damped, **seasonal)
            return _array(model.fit(disp=False).forecast(horizon))

    return forecast


def _arima(order: tuple[int, int, int], seasonal: tuple[int, int, int, int]) -> Fit:
    def forecast(series: "Array", horizon: int) -> "Array":
        from statsmodels.tsa.arima.model import ARIMA

        with _quiet():
            return _array(ARIMA(series, order=order, seasonal_order=seasonal).fit().forecast(horizon))

    return forecast


def _theta(season: int) -> Fit:
    def forecast(series: "Array", horizon: int) -> "Array":
        import pandas as pd
        from statsmodels.tsa.forecasting.theta import ThetaModel

        steps = pd.Series(series)  # it asks for the index of its input
        with _quiet():
            model = ThetaModel(steps, period=max(season, 1), deseasonalize=season > 1, method="additive")
            return _array(model.fit(disp=False).forecast(horizon))

    return forecast


def _mstl(seasons: tuple[int, ...]) -> Fit:
    def forecast(series: "Array", horizon: int) -> "Array":
        import numpy as np
        from statsmodels.tsa.seasonal import MSTL

        usable = sorted(season for season in seasons if 2 * season < len(series))
        if not usable:
            raise ValueError(f"decomposition needs two seasons; got {len(series)} steps, season {list(seasons)}")
        with _quiet():
            parts = np.asarray(MSTL(series, periods=usable).fit().seasonal).reshape(len(series), len(usable))
        rest = _ets(1, trend=True, damped=True)(series - parts.sum(axis=1), horizon)
        for season, part in zip(usable, parts.T, strict=True):
            rest = rest + np.resize(part[-season:], horizon)
        return rest

    return forecast


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' warnings: a fit that did not converge is judged by its errors, as all others are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _array(values: Any) -> "Array":
    import numpy as np

    return np.asarray(values, dtype=np.float64)
