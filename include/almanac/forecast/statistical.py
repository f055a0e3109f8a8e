"""Statistical candidates by statsmodels, fitted to one series after the other."""

from typing import TYPE_CHECKING

from almanac.config.sections.forecast import Forecast
from almanac.forecast.arima_search import search_arima
from almanac.forecast.calendar.effects import regressors
from almanac.forecast.fitted import Fit, Fitted, as_array, coefficients, quiet

if TYPE_CHECKING:
    from almanac.forecast.panel import Array, Known


def fits_of(forecast: Forecast) -> dict[str, Fit]:
    """The declared statistical candidates by name."""
    declared, seasons = forecast.candidates, forecast.season
    season = seasons[0] if seasons else 1
    found: dict[str, Fit] = {}
    if (ets := declared.ets) is not None:
        found["ets"] = _ets(season if ets.seasonal else 1, trend=ets.trend, damped=ets.damped)
    if (arima := declared.arima) is not None:
        seasonal = (*arima.seasonal, season if any(arima.seasonal) else 0)
        found["arima"] = search_arima(season) if arima.order == "auto" else _arima(arima.order, seasonal)
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
    def forecast(series: "Array", horizon: int, _known: "Known | None" = None) -> Fitted:
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        seasonal = {"seasonal": "add", "seasonal_periods": season} if season > 1 else {}
        with quiet():
            # the states it begins with are not fitted: each is a parameter, and 20 times the work for the same error
            model = ETSModel(
                series,
                error="add",
                trend="add" if trend else None,
                damped_trend=damped,
                initialization_method="heuristic",
                **seasonal,
            )
            fitted = model.fit(disp=False)
            return Fitted(as_array(fitted.forecast(horizon)), coefficients(fitted))

    return forecast


def _arima(order: tuple[int, int, int], seasonal: tuple[int, int, int, int]) -> Fit:
    def forecast(series: "Array", horizon: int, known: "Known | None" = None) -> Fitted:
        from statsmodels.tsa.arima.model import ARIMA

        inputs = regressors(known, len(series))
        with quiet():
            fitted = ARIMA(series, exog=inputs.seen, order=order, seasonal_order=seasonal).fit()
            parameters = {"order": list(order), "seasonal": list(seasonal), **inputs.named(coefficients(fitted))}
            return Fitted(as_array(fitted.forecast(horizon, exog=inputs.coming)), parameters)

    return forecast


def _theta(season: int) -> Fit:
    def forecast(series: "Array", horizon: int, _known: "Known | None" = None) -> Fitted:
        import pandas as pd
        from statsmodels.tsa.forecasting.theta import ThetaModel

        steps = pd.Series(series)  # it asks for the index of its input
        with quiet():
            model = ThetaModel(steps, period=max(season, 1), deseasonalize=season > 1, method="additive")
            fitted = model.fit(disp=False)
            known = {name: round(float(value), 6) for name, value in fitted.params.items()}
            return Fitted(as_array(fitted.forecast(horizon)), known)

    return forecast


def _mstl(seasons: tuple[int, ...]) -> Fit:
    def forecast(series: "Array", horizon: int, _known: "Known | None" = None) -> Fitted:
        import numpy as np
        from statsmodels.tsa.seasonal import MSTL

        usable = sorted(season for season in seasons if 2 * season < len(series))
        if not usable:
            raise ValueError(f"decomposition needs two seasons; got {len(series)} steps, season {list(seasons)}")
        with quiet():
            parts = np.asarray(MSTL(series, periods=usable).fit().seasonal).reshape(len(series), len(usable))
        rest = _ets(1, trend=True, damped=True)(series - parts.sum(axis=1), horizon, None)
        ahead = [np.resize(part[-season:], horizon) for season, part in zip(usable, parts.T, strict=True)]
        return Fitted(rest.values + np.sum(ahead, axis=0), {"seasons": usable, **rest.parameters})

    return forecast
