"""Which grains are forecast, which are set aside, and which of them nobody has computed yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.config.sections.forecast import Forecast
from almanac.forecast.calendar.calendar_table import read_calendar
from almanac.forecast.fingerprint import code_sha256, declaration_sha256, key_of
from almanac.forecast.frame import FrameRules, frame_problems, problems_of
from almanac.forecast.global_candidate.fit_table import FitTable, choose_fit, key_with_fit
from almanac.forecast.hierarchy.nodes import Sums
from almanac.forecast.results import ResultTable
from almanac.forecast.series import GrainReader, Series

_TASK_S, _MOST_GRAINS = 60.0, 2_000  # of memory for their backtests
_RULES_S = 0.003  # of all simple rules together, for a grain and origin
_FIT_S = {"ets": 0.1, "arima": 0.4, "theta": 0.1, "mstl": 0.2}
_SEARCH_S = 4.0  # ten orders and more


@dataclass(frozen=True)
class Plan:
    """What one version of a forecast is made of. The same dataset, time, declaration and code give the same plan.

    Attributes:
        dataset_version: of the rows.
        newest: the time of the newest rows, from which all grains are forecast; None: there is no row.
        keys: grain -> key of its result.
        aside: grain -> why it is set aside.
        problems: why nothing is forecast at all; empty: something is.
        fit: the name of the global candidate's fit; empty: none is declared.
        members: grain -> hash of what that is fitted on.
        totals: total of the hierarchy -> key of its result; none where totals have no forecast of their own.
        sums: the series of these.
    """

    dataset_version: int
    newest: datetime | None
    keys: Mapping[str, str] = field(repr=False)
    aside: Mapping[str, str] = field(repr=False)
    problems: tuple[str, ...] = ()
    fit: str = ""
    members: Mapping[str, str] = field(default_factory=dict, repr=False)
    totals: Mapping[str, str] = field(default_factory=dict, repr=False)
    sums: Mapping[str, Series] = field(default_factory=dict, repr=False)

    @property
    def origin(self) -> str:
        """The newest time as text; it tells the results of one period from those of others."""
        return "" if self.newest is None else self.newest.strftime("%Y-%m-%dT%H:%M:%SZ")

    def summary(self) -> dict[str, Any]:
        """For XCom."""
        return {
            "dataset_version": self.dataset_version,
            "origin": self.origin,
            "grains": len(self.keys) + len(self.aside),
            "set_aside": len(self.aside),
            "problems": list(self.problems),
        }


def make_plan(
    model: ForecastModel, home: Home, *, now: datetime, version: int | None = None, as_of: datetime | None = None
) -> Plan:
    """Check all grains, and name what each result is made of.

    Args:
        model: declares the forecast.
        home: where its dataset is.
        now: aware; later rows lie in the future.
        version: of the dataset; None: the newest.
        as_of: forecast from there, as if no later row had come; None: from the newest row.

    Raises:
        ConfigError: the calendar is not what it must be.
        DataError: there is no dataset, or no such version.
        TransientError: the store is unreachable.
    """
    reader = GrainReader.of(model, home, version, until=as_of)
    limit = now + model.dataset.future_tolerance
    newest, grains = reader.newest(limit), reader.grains()
    if newest is None:
        return Plan(reader.version, None, {}, {}, tuple(frame_problems(model, 0, {})))
    rules = FrameRules.of(model, newest, limit)
    calendar = read_calendar(model, home)
    making = declaration_sha256(model) + code_sha256() + calendar.names
    keys, aside, sums = dict[str, str](), dict[str, str](), Sums(model.forecast)
    for series in reader.read(grains):
        problems = problems_of(series.times, series.values, rules)
        known = None if problems else calendar.of_grain(series.grain, series.times)
        if why := "; ".join(problems) or calendar.problem(series.times, known):
            aside[series.grain] = why
        else:
            keys[series.grain] = key_of(series.grain, series.times, series.values, making, known)
            sums.add(series.grain, series.times, series.values)
    summed = {name: Series(name, *both) for name, both in sums.series.items()}
    summed = {name: one for name, one in summed.items() if not problems_of(one.times, one.values, rules)}
    totals = {
        name: key_of(name, one.times, one.values, making, calendar.of_grain(name, one.times))
        for name, one in summed.items()
    }
    refused = tuple(frame_problems(model, len(grains), aside))
    plan = Plan(reader.version, newest, keys, aside, refused, totals=totals, sums=summed)
    declared = model.forecast.candidates.over_all
    if declared is None:
        return plan
    fit = choose_fit(FitTable.of(home, model), plan.origin, keys, declared.refit_share)
    of_grains, of_totals = ({name: key_with_fit(key, fit) for name, key in each.items()} for each in (keys, totals))
    return replace(plan, keys=of_grains, totals=of_totals, fit=fit, members=keys)


def missing_grains(plan: Plan, results: ResultTable) -> list[str]:
    """The grains whose result nobody has computed yet, in any run, sorted."""
    known = results.keys(plan.origin)
    return sorted(grain for grain, key in plan.keys.items() if key not in known)


def missing_totals(plan: Plan, results: ResultTable) -> list[str]:
    """The totals whose result nobody has computed yet, sorted."""
    known = results.keys(plan.origin)
    return sorted(name for name, key in plan.totals.items() if key not in known)


def chunk_size(forecast: Forecast) -> int:
    """How many grains one task computes: as declared, or about a minute of work, by what a fit costs as a rule."""
    if forecast.grains_per_task != "auto":
        return forecast.grains_per_task
    declared = forecast.candidates
    cost_s = _RULES_S + sum(cost for name, cost in _FIT_S.items() if getattr(declared, name) is not None)
    if declared.arima is not None and declared.arima.order == "auto":
        cost_s += _SEARCH_S
    fits = forecast.choose.backtests + 1
    return int(min(max(_TASK_S / (cost_s * fits), 1), _MOST_GRAINS))


def chunks(grains: list[str], size: int) -> list[list[str]]:
    """Work for one task each."""
    return [grains[start : start + size] for start in range(0, len(grains), size)]
