"""The candidates that a declaration names, each with the function that forecasts by it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from almanac.config.sections.forecast import SEASONAL, Forecast
from almanac.forecast import rules, statistical
from almanac.forecast.calendar.effects import without_calendar
from almanac.forecast.fitted import FAILURES, Fit
from almanac.forecast.panel import Panel, unknown

if TYPE_CHECKING:
    from almanac.forecast.panel import Array


@dataclass(frozen=True)
class Forecasts:
    """What a candidate says of all series.

    Attributes:
        values: of shape (series, horizon); NaN: it has no forecast of that series.
        failures: number of the series -> why it has none, where more is known than that the series is too short.
        parameters: number of the series -> what was fitted to it, of candidates that are fitted.
    """

    values: "Array"
    failures: Mapping[int, str] = field(default_factory=dict)
    parameters: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


Candidate = Callable[[Panel, int], Forecasts]


def candidates_of(forecast: Forecast, fitted: Mapping[str, Candidate] | None = None) -> dict[str, Candidate]:
    """All candidates by name; the first one is the rule that others must beat.

    Args:
        forecast: declares them.
        fitted: those that were fitted over all grains before.
    """
    return {**dict(_all(forecast)), **(fitted or {})}


def _all(forecast: Forecast) -> Iterator[tuple[str, Candidate]]:
    simple = dict(_rules(forecast))
    yield from ((name, _rule(rule)) for name, rule in simple.items())
    if forecast.calendar is not None:
        lag = max(forecast.season[:1], default=1)
        yield from ((f"calendar_{name}", _rule(without_calendar(rule, lag))) for name, rule in simple.items())
    for name, fit in statistical.fits_of(forecast).items():
        yield name, _each(fit)


def _rules(forecast: Forecast) -> Iterator[tuple[str, rules.Rule]]:
    declared, seasons = forecast.candidates, forecast.season
    if seasons:
        yield SEASONAL, rules.last_season(seasons[0])
        for season in seasons[1:]:
            yield f"{SEASONAL}_{season}", rules.last_season(season)
        if declared.naive is not None:
            yield "naive", rules.last_value
    else:
        yield "naive", rules.last_value  # a season of one step
    if declared.drift is not None:
        yield "drift", rules.drift
    for season in seasons:
        if declared.level is not None:
            yield f"level_{season}", rules.seasonal_level(season, seasons[0])
        for count in declared.seasonal_mean.seasons if declared.seasonal_mean else ():
            yield f"seasonal_mean_{season}x{count}", rules.seasonal_mean(season, count)
    yield from _ridges(forecast)


def _ridges(forecast: Forecast) -> Iterator[tuple[str, rules.Rule]]:
    declared = forecast.candidates.ridge
    if declared is None:
        return
    lags = declared.lags or max(forecast.season)
    level = min(lags, max(forecast.season[:1], default=1))
    for penalty in declared.penalties:
        yield f"ridge_{penalty:g}", rules.ridge(lags, level, penalty, log=False)
        if declared.log:
            yield f"ridge_log_{penalty:g}", rules.ridge(lags, level, penalty, log=True)


def _rule(rule: rules.Rule) -> Candidate:
    return lambda panel, horizon: Forecasts(rule(panel, horizon))


def _each(fit: Fit) -> Candidate:
    """Fit series after series; one that cannot be fitted is a recorded failure, and stops no other."""

    def forecast(panel: Panel, horizon: int) -> Forecasts:
        values, failures, parameters = unknown(panel, horizon), dict[int, str](), dict[int, Mapping[str, Any]]()
        for number in range(len(panel)):
            try:
                fitted = fit(panel.series(number), horizon, panel.known_of(number))
                values[number], parameters[number] = statistical.finite(fitted.values), fitted.parameters
            except FAILURES as error:
                failures[number] = f"{type(error).__name__}: {error}"[:200]
        return Forecasts(values, failures, parameters)

    return forecast
