"""An ARIMA whose order is looked for on each series: differences by a test, the rest by the criterion AICc.

Source: Hyndman and Khandakar (2008), "Automatic time series forecasting: the forecast package for R" (stepwise search).
"""

from itertools import product
from typing import TYPE_CHECKING, Any

from almanac.forecast.calendar.effects import regressors
from almanac.forecast.fitted import Fit, Fitted, as_array, coefficients, quiet
from almanac.forecast.traits import traits_of

if TYPE_CHECKING:
    from almanac.forecast.panel import Array, Known

_START = ((0, 0), (1, 0), (0, 1), (2, 2))
_MOST = 3  # of either order: a larger one seldom forecasts better
_SEASONAL = 0.64  # strength: from it on a series is differenced by its season
_LEVEL = 0.05  # of the test for a level that does not stay


def search_arima(season: int) -> Fit:
    """A seasonal difference where the season is strong; then the best of the orders that a stepwise search reaches."""

    def forecast(series: "Array", horizon: int, known: "Known | None" = None) -> Fitted:
        import numpy as np

        lag = season if _is_seasonal(series, season) else 0
        rest = series[lag:] - series[:-lag] if lag else series
        inputs = regressors(known, len(series), lag)
        with quiet():
            order, fitted = _search(rest, inputs.seen)
            ahead = as_array(fitted.forecast(horizon, exog=inputs.coming))
        past = list(series)
        for value in ahead if lag else ():  # undone step by step: of the second season ahead, the first is the past
            past.append(past[-lag] + value)
        found = np.array(past[len(series) :]) if lag else ahead
        parameters = {"order": list(order), "seasonal_difference": lag, "aicc": round(float(fitted.aicc), 3)}
        return Fitted(found, {**parameters, **inputs.named(coefficients(fitted))})

    return forecast


def _is_seasonal(series: "Array", season: int) -> bool:
    if season < 2 or len(series) < 3 * season:
        return False
    return traits_of(series, (season,)).seasonal_strength[season] > _SEASONAL


def _differences(series: "Array") -> int:
    """How often a series is differenced until the KPSS test does not deny that its level stays."""
    import numpy as np
    from statsmodels.tsa.stattools import kpss

    for count in (0, 1):
        if not np.ptp(series) or kpss(series, regression="c", nlags="auto")[1] >= _LEVEL:
            return count
        series = np.diff(series)
    return 2


def _search(series: "Array", inputs: "Array | None") -> tuple[tuple[int, int, int], Any]:
    """The order with the least AICc, and its fit; an order that cannot be fitted is passed over.

    Raises:
        ValueError: none can be fitted.
    """
    from statsmodels.tsa.arima.model import ARIMA

    count, known = _differences(series), dict[tuple[int, int], Any]()

    def fit(orders: tuple[int, int]) -> float:
        if orders not in known:
            trend = "c" if count == 0 else "t" if count == 1 else "n"
            try:
                known[orders] = ARIMA(series, exog=inputs, order=(orders[0], count, orders[1]), trend=trend).fit()
            except (ValueError, ArithmeticError, IndexError):
                known[orders] = None
        return float(known[orders].aicc) if known[orders] is not None else float("inf")

    best = min(_START, key=fit)
    while True:
        steps = [(best[0] + ar, best[1] + ma) for ar, ma in product((-1, 0, 1), repeat=2)]
        better = min((each for each in steps if min(each) >= 0 and max(each) <= _MOST), key=fit)
        if fit(better) >= fit(best):
            break
        best = better
    if known[best] is None:
        raise ValueError("no order of an ARIMA can be fitted to the series")
    return (best[0], count, best[1]), known[best]
