"""A forecast's whole run without Airflow: plan, chunks, version, verdict, publication."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from almanac import failpoints
from almanac.config.files.loader import find_forecast
from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.forecast.compute import compute_chunk, compute_series
from almanac.forecast.global_candidate.make_fit import make_fit
from almanac.forecast.plan import Plan, chunk_size, chunks, make_plan, missing_grains, missing_totals
from almanac.forecast.published import publish_version
from almanac.forecast.results import ResultTable
from almanac.forecast.versions import collect_version
from tests.forecast.shop import NOW


def nowhere(_point: str, _subject: str) -> None: ...


def compute(
    model: ForecastModel,
    home: Home,
    now: datetime = NOW,
    on_step: Callable[[str, str], None] = nowhere,
    as_of: datetime | None = None,
) -> tuple[Plan, int]:
    """Compute what is missing; give the plan, and how many grains and totals were computed."""
    plan = make_plan(model, home, now=now, as_of=as_of)
    results = ResultTable.of(home, model)
    missing, totals = missing_grains(plan, results), missing_totals(plan, results)
    if missing or totals:
        make_fit(model, home, plan)
    where: dict[str, Any] = {"dataset_version": plan.dataset_version, "origin": plan.origin, "fit": plan.fit}
    done = [
        compute_chunk(model, home, chunk, **where, on_step=on_step)["computed"]
        for chunk in chunks(missing, chunk_size(model.forecast))
    ]
    if totals:
        series = [plan.sums[name] for name in totals]
        done += [compute_series(model, home, series, origin=plan.origin, fit=plan.fit, on_step=on_step)["computed"]]
    return plan, sum(done)


def forecast(
    model: ForecastModel, home: Home, now: datetime = NOW, on_step: Callable[[str, str], None] = nowhere
) -> str:
    """The same, collected and published without a verdict; give the version."""
    plan, _ = compute(model, home, now, on_step)
    version = collect_version(model, home, plan)
    on_step("forecast_collected", version)
    publish_version(model, home, version, {})
    return version


if __name__ == "__main__":
    home = Home(home=Path(sys.argv[1]), models=Path(sys.argv[1]) / "models")
    forecast(find_forecast(home.models, "sales"), home, on_step=failpoints.failpoint)
