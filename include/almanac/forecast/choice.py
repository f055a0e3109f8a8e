"""Which candidate forecasts a grain, and its forecast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from almanac.config.sections.forecast import Forecast
from almanac.forecast.backtest import Backtests, backtest, errors, scales_of
from almanac.forecast.calendar.effects import left_out_of
from almanac.forecast.candidates import Candidate, candidates_of
from almanac.forecast.intervals import scale_of, scores_of
from almanac.forecast.panel import Panel
from almanac.forecast.traits import Traits, autocorrelation, traits_of

if TYPE_CHECKING:
    from almanac.forecast.panel import Array


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
        parameters: member -> what was fitted, where the library tells it.
        traits: of the series.
        left_out: column of the calendar -> why this grain cannot use it.
        held_out: errors (forecast less actual) of the backtests, each of the candidate that the *other* backtests
            prefer, of shape (origins, horizon). What was chosen for its small error on a period looks better there than
            it is; of these errors, the period itself has chosen nothing.
        baseline_absolute: the sum of absolute errors of the baseline; `total`: of absolute actuals.
    """

    candidate: str
    members: tuple[str, ...]
    kept_baseline: bool
    error: float
    baseline_error: float
    errors: Mapping[str, float]
    failures: Mapping[str, str]
    forecast: "Array"
    parameters: Mapping[str, Mapping[str, Any]]
    traits: Traits
    left_out: Mapping[str, str]
    held_out: "Array"
    baseline_absolute: float
    total: float

    @property
    def scale(self) -> "Array":
        """The size of errors by step, of shape (horizon,)."""
        return scale_of(self.held_out)

    @property
    def scores(self) -> "Array":
        """Errors as multiples of the scale, of shape (origins, horizon)."""
        return scores_of(self.held_out)

    @property
    def autocorrelation(self) -> float:
        """Of neighbouring errors."""
        return autocorrelation(self.held_out)


def forecast_panel(
    panel: Panel, declared: Forecast, fitted_before: Mapping[str, Candidate] | None = None
) -> list[GrainForecast]:
    """Backtest, choose and forecast each series; what comes out for one does not depend on the others.

    Args:
        panel: the series.
        declared: how.
        fitted_before: candidates that were fitted over all grains before; see `candidates_of`.
    """
    import numpy as np

    candidates, horizon = candidates_of(declared, fitted_before), declared.horizon
    scales = scales_of(panel, declared.season[0] if declared.season else 1)
    past = backtest(panel, candidates, horizon, declared.choose.backtests)
    measured = errors(past.forecasts, past.actuals, np.nan_to_num(scales, nan=1.0), declared.choose.by)
    ahead = {name: candidate(panel, horizon) for name, candidate in candidates.items()}
    coming = np.stack([each.values for each in ahead.values()])
    found = []
    for number in range(len(panel)):
        failures = {**past.failures.get(number, {})}
        failures |= {name: each.failures[number] for name, each in ahead.items() if number in each.failures}
        fitted = {name: each.parameters[number] for name, each in ahead.items() if number in each.parameters}
        series = _Series(past, number, measured[:, number], coming[:, number], scales[number], failures, declared)
        traits = traits_of(panel.series(number), declared.season)
        left_out = left_out_of(panel.known_of(number), int(panel.lengths[number]), max(declared.season[:1], default=1))
        found.append(series.result(fitted, traits, left_out))
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

    def result(
        self, fitted: Mapping[str, Mapping[str, Any]], traits: Traits, left_out: Mapping[str, str]
    ) -> GrainForecast:
        import numpy as np

        options, actuals = self.options(self.measured), self.past.actuals[:, self.number]
        baseline, chosen = options[0], _best(options)
        return GrainForecast(
            candidate=chosen.name,
            members=chosen.members,
            kept_baseline=chosen is baseline,
            error=chosen.error,
            baseline_error=baseline.error,
            errors={option.name: option.error for option in options},
            failures=self.failures,
            forecast=self._limited(chosen.ahead),
            parameters={name: fitted[name] for name in chosen.members if name in fitted},
            traits=traits,
            left_out=left_out,
            held_out=self.held_out(),
            baseline_absolute=float(np.abs(baseline.past - actuals).sum()),
            total=float(np.abs(actuals).sum()),
        )

    def held_out(self) -> "Array":
        """The errors of each backtest by the candidate that the others prefer, of shape (origins, horizon)."""
        import numpy as np

        origins, actuals = range(len(self.past.actuals)), self.past.actuals[:, self.number]
        found = []
        for origin in origins:
            rest = [other for other in origins if other != origin]
            forecasts, others = (
                self.past.forecasts[rest][:, :, [self.number]],
                self.past.actuals[rest][:, [self.number]],
            )
            measured = errors(forecasts, others, self._scale(), self.declared.choose.by)[:, 0]
            usable = np.where(np.isfinite(self.measured), measured, np.inf)  # one that misses a backtest is not chosen
            found.append(_best(self.options(usable, rest)).past[origin] - actuals[origin])
        return np.stack(found)

    def options(self, measured: "Array", origins: Sequence[int] | None = None) -> list[_Option]:
        """The baseline, then all candidates that have a forecast, then the ensembles of the best.

        Args:
            measured: the error of each candidate.
            origins: by which backtests ensembles are measured; None: by all.
        """
        import numpy as np

        usable = [
            _Option(name, (name,), float(error), self.past.forecasts[:, place, self.number], self.coming[place])
            for place, (name, error) in enumerate(zip(self.past.names, measured, strict=True))
            if place == 0 or (np.isfinite(error) and np.isfinite(self.coming[place]).all())
        ]
        best = sorted(usable, key=lambda option: option.error)[: self.declared.choose.best]
        kinds = self.declared.choose.ensemble if len(best) > 1 else ()
        return [*usable, *(self._ensemble(kind, best, origins) for kind in kinds)]

    def _scale(self) -> "Array":
        import numpy as np

        return np.array([1.0 if np.isnan(self.scale) else self.scale])

    def _ensemble(self, kind: str, members: list[_Option], origins: Sequence[int] | None) -> _Option:
        import numpy as np

        middle = np.mean if kind == "mean" else np.median
        past = middle(np.stack([each.past for each in members]), axis=0)
        ahead = middle(np.stack([each.ahead for each in members]), axis=0)
        chosen = slice(None) if origins is None else list(origins)
        actuals = self.past.actuals[chosen][:, [self.number]]
        (error,) = errors(past[chosen][:, None], actuals, self._scale(), self.declared.choose.by)
        return _Option(kind, tuple(each.name for each in members), float(error), past, ahead)

    def _limited(self, values: "Array") -> "Array":
        limits = self.declared.limits
        low, high = limits.min, limits.max
        return values.clip(-inf if low is None else low, inf if high is None else high)


def _best(options: Sequence[_Option]) -> _Option:
    """The first of equals: the baseline before all others."""
    return min(options, key=lambda option: option.error)
