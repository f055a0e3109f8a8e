"""Which candidate forecasts a grain, how wide its intervals are, and its forecast."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from almanac.config.sections.forecast import Forecast
from almanac.forecast.backtest import Backtests, backtest, errors, scales_of
from almanac.forecast.candidates import candidates_of
from almanac.forecast.panel import Panel

if TYPE_CHECKING:
    from almanac.forecast.panel import Array

_SMALLEST = 1e-12  # of a width: below it a series is forecast without any error


@dataclass(frozen=True)
class GrainForecast:
    """The result of one grain.

    Attributes:
        candidate: that is used; `mean` and `median` are of `members`.
        members: of an ensemble; else the candidate alone.
        kept_baseline: no candidate beats the baseline on this grain, so that is used.
        error: of what is used, in the backtests, as `choose.by` measures it.
        baseline_error: of the baseline.
        errors: of each candidate that has a forecast.
        failures: candidate -> why it has none.
        forecast: of shape (horizon,).
        widths: interval -> half its width, of shape (horizon,).
        covered: interval -> the share of the backtests' values within it, each by the intervals of the others.
        absolute: the sum of absolute errors of the backtests; `baseline_absolute`: of the baseline; `signed`: of errors
            with their sign (forecast less actual); `total`: of absolute actuals.
    """

    candidate: str
    members: tuple[str, ...]
    kept_baseline: bool
    error: float
    baseline_error: float
    errors: Mapping[str, float]
    failures: Mapping[str, str]
    forecast: "Array"
    widths: "Mapping[float, Array]"
    covered: Mapping[float, float]
    absolute: float
    baseline_absolute: float
    signed: float
    total: float


def forecast_panel(panel: Panel, declared: Forecast) -> list[GrainForecast]:
    """Backtest, choose and forecast each series; what comes out for one does not depend on the others."""
    import numpy as np

    candidates, horizon = candidates_of(declared), declared.horizon
    scales = scales_of(panel, declared.season[0] if declared.season else 1)
    past = backtest(panel, candidates, horizon, declared.choose.backtests)
    measured = errors(past.forecasts, past.actuals, np.nan_to_num(scales, nan=1.0), declared.choose.by)
    ahead = {name: candidate(panel, horizon) for name, candidate in candidates.items()}
    coming = np.stack([each.values for each in ahead.values()])
    found = []
    for number in range(len(panel)):
        failures = {**past.failures.get(number, {})}
        failures |= {name: each.failures[number] for name, each in ahead.items() if number in each.failures}
        series = _Series(past, number, measured[:, number], coming[:, number], scales[number], failures, declared)
        found.append(series.result())
    return found


@dataclass(frozen=True)
class _Option:
    """A candidate, or an ensemble of some, on one series. `past`: (origins, horizon); `ahead`: (horizon,)."""

    name: str
    members: tuple[str, ...]
    error: float
    past: "Array"
    ahead: "Array"


@dataclass(frozen=True)
class _Series:
    past: Backtests
    number: int
    measured: "Array"
    coming: "Array"
    scale: float
    failures: Mapping[str, str]
    declared: Forecast

    def result(self) -> GrainForecast:
        import numpy as np

        options, actuals = self.options(), self.past.actuals[:, self.number]
        baseline = options[0]
        chosen = min(options, key=lambda option: option.error)  # the first of equals: the baseline before all others
        wrong = chosen.past - actuals
        return GrainForecast(
            candidate=chosen.name,
            members=chosen.members,
            kept_baseline=chosen is baseline,
            error=chosen.error,
            baseline_error=baseline.error,
            errors={option.name: option.error for option in options},
            failures=self.failures,
            forecast=self._limited(chosen.ahead),
            widths={level: widths(wrong, level) for level in self.declared.intervals},
            covered={level: coverage(wrong, level) for level in self.declared.intervals},
            absolute=float(np.abs(wrong).sum()),
            baseline_absolute=float(np.abs(baseline.past - actuals).sum()),
            signed=float(wrong.sum()),
            total=float(np.abs(actuals).sum()),
        )

    def options(self) -> list[_Option]:
        """The baseline, then all candidates that have a forecast, then the ensembles of the best."""
        import numpy as np

        usable = [
            _Option(name, (name,), float(error), self.past.forecasts[:, place, self.number], self.coming[place])
            for place, (name, error) in enumerate(zip(self.past.names, self.measured, strict=True))
            if place == 0 or (np.isfinite(error) and np.isfinite(self.coming[place]).all())
        ]
        best = sorted(usable, key=lambda option: option.error)[: self.declared.choose.best]
        return [*usable, *(self._ensemble(kind, best) for kind in self.declared.choose.ensemble if len(best) > 1)]

    def _ensemble(self, kind: str, members: list[_Option]) -> _Option:
        import numpy as np

        middle = np.mean if kind == "mean" else np.median
        past = middle(np.stack([each.past for each in members]), axis=0)
        ahead = middle(np.stack([each.ahead for each in members]), axis=0)
        scale = np.array([1.0 if np.isnan(self.scale) else self.scale])
        actuals = self.past.actuals[:, [self.number]]
        (error,) = errors(past[:, None], actuals, scale, self.declared.choose.by)
        return _Option(kind, tuple(each.name for each in members), float(error), past, ahead)

    def _limited(self, values: "Array") -> "Array":
        limits = self.declared.limits
        low, high = limits.min, limits.max
        return values.clip(-inf if low is None else low, inf if high is None else high)


def widths(wrong: "Array", level: float) -> "Array":
    """Half the width of a conformal interval at each step ahead, of shape (horizon,).

    Errors are divided by the mean absolute error up to their step, which never falls with the step; the quantile of
    what remains is taken over all origins and steps, so that a few backtests suffice.

    Source: Lei et al. (2018), "Distribution-free predictive inference for regression" (locally weighted conformal).

    Args:
        wrong: the errors of the backtests, of shape (origins, horizon).
        level: the share of values that the interval claims to hold.
    """
    import numpy as np

    size = np.abs(wrong)
    steps = np.arange(1, size.shape[1] + 1)
    shape = np.maximum.accumulate(size.mean(axis=0).cumsum() / steps).clip(min=_SMALLEST)
    scores = np.sort((size / shape).ravel())
    place = min(int(np.ceil((len(scores) + 1) * level)), len(scores))
    found: Array = scores[place - 1] * shape
    return found


def coverage(wrong: "Array", level: float) -> float:
    """The share of backtest values within intervals that the other backtests give."""
    import numpy as np

    within = [
        (np.abs(wrong[origin]) <= widths(np.delete(wrong, origin, axis=0), level)).mean()
        for origin in range(len(wrong))
    ]
    return float(np.mean(within))
