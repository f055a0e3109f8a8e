"""Makes the fit of a plan from all its grains, a block of them in memory at a time."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.forecast.calendar.calendar_table import read_calendar
from almanac.forecast.global_candidate.fit import FitSample
from almanac.forecast.global_candidate.fit_table import FitTable
from almanac.forecast.panel import Panel
from almanac.forecast.plan import Plan
from almanac.forecast.series import AT_ONCE, GrainReader


def make_fit(model: ForecastModel, home: Home, plan: Plan) -> dict[str, Any]:
    """Fit the global candidate to all grains of a plan, unless that fit is there.

    Returns:
        For XCom: the `fit`, whether it was `fitted` now, and the `failure` of one that cannot be made.

    Raises:
        DataError: there is no such version of the dataset.
        TransientError: the store is unreachable.
    """
    table, declared = FitTable.of(home, model), model.forecast.candidates.over_all
    if declared is None or not plan.members or table.has(plan.origin, plan.fit):
        return {"fit": plan.fit, "fitted": False, "failure": ""}
    per_series = max(1, declared.windows // len(plan.members))
    horizon = model.forecast.horizon
    samples = [
        FitSample(model.forecast, origin * horizon, per_series) for origin in range(model.forecast.choose.backtests + 1)
    ]
    reader = GrainReader.of(model, home, plan.dataset_version, until=datetime.fromisoformat(plan.origin))
    calendar, series = read_calendar(model, home), reader.read(sorted(plan.members))
    while block := list(islice(series, AT_ONCE)):
        known = [calendar.of_grain(each.grain, each.times) for each in block]
        panel = Panel.of([each.values for each in block], known, calendar.columns)
        for sample in samples:
            sample.add([each.grain for each in block], panel)
    models, failure = _fit(samples, declared)
    table.add(plan.origin, plan.fit, models, failure, plan.members)
    return {"fit": plan.fit, "fitted": True, "failure": failure}


def _fit(samples: list[FitSample], declared: Any) -> tuple[Mapping[int, str], str]:
    """The trees by hidden steps; a library that refuses is a failure of the candidate, not of the run."""
    from lightgbm.basic import LightGBMError

    try:
        return {sample.hidden: sample.fit(declared) for sample in samples}, ""
    except (ValueError, LightGBMError) as error:
        return {}, f"{type(error).__name__}: {error}"[:200]
