"""Computes and commits the results of one chunk of grains."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.errors import DataError
from almanac.forecast.calendar.calendar_table import read_calendar
from almanac.forecast.choice import forecast_panel
from almanac.forecast.fingerprint import code_sha256, declaration_sha256, key_of
from almanac.forecast.global_candidate.fit import NAME, global_candidate
from almanac.forecast.global_candidate.fit_table import FitTable, key_with_fit
from almanac.forecast.panel import Panel
from almanac.forecast.results import ResultTable, result_rows
from almanac.forecast.series import GrainReader, Series


def _nowhere(_point: str, _subject: str) -> None:
    """Nobody waits for a point to be reached."""


def compute_chunk(
    model: ForecastModel,
    home: Home,
    grains: Sequence[str],
    *,
    dataset_version: int,
    origin: str,
    fit: str = "",
    on_step: Callable[[str, str], None] = _nowhere,
) -> dict[str, Any]:
    """Forecast the grains that no other run has forecast meanwhile, and commit all of them at once.

    Args:
        model: declares the forecast.
        home: where dataset and results are.
        grains: names, of a plan.
        dataset_version: that the plan was made of.
        origin: of the plan.
        fit: of the plan.
        on_step: called before the commit (`forecast_computed`) and after it (`forecast_committed`), with the first
            grain.

    Returns:
        For XCom: `computed`, `failures` (candidates that failed on a grain) and `kept_baseline`.

    Raises:
        DataError: a grain has no rows: the plan is of another dataset; or the fit is not there.
        TransientError: the store is unreachable, or others kept committing.
    """
    reader = GrainReader.of(model, home, dataset_version, until=datetime.fromisoformat(origin))
    series = list(reader.read(grains))
    if lost := [each.grain for each in series if not len(each.times)]:
        raise DataError(f"{model.name}: dataset version {dataset_version} has no rows of grain {lost[0]}; plan again")
    return compute_series(model, home, series, origin=origin, fit=fit, on_step=on_step)


def compute_series(
    model: ForecastModel,
    home: Home,
    series: Sequence[Series],
    *,
    origin: str,
    fit: str = "",
    on_step: Callable[[str, str], None] = _nowhere,
) -> dict[str, Any]:
    """The same of series that are read already, such as the sums of a plan's totals; see `compute_chunk`."""
    results, calendar = ResultTable.of(home, model), read_calendar(model, home)
    making = declaration_sha256(model) + code_sha256() + calendar.names
    known = results.keys(origin)
    known_ahead = {each.grain: calendar.of_grain(each.grain, each.times) for each in series}
    own = {each.grain: key_of(each.grain, each.times, each.values, making, known_ahead[each.grain]) for each in series}
    keys = {grain: key_with_fit(key, fit) for grain, key in own.items()}
    new = [each for each in series if keys[each.grain] not in known]
    if not new:
        return {"computed": 0, "failures": 0, "kept_baseline": 0}
    panel = Panel.of([each.values for each in new], [known_ahead[each.grain] for each in new], calendar.columns)
    fitted = {}
    if fit:
        fitted[NAME] = global_candidate(model.forecast, *FitTable.of(home, model).read(origin, fit))
    found = forecast_panel(panel, model.forecast, fitted)
    rows = result_rows(origin, [keys[each.grain] for each in new], [each.grain for each in new], found)
    on_step("forecast_computed", new[0].grain)
    committed = results.add(rows)
    on_step("forecast_committed", new[0].grain)
    failures = sum(len(one.failures) for one in found)
    return {"computed": committed, "failures": failures, "kept_baseline": sum(one.kept_baseline for one in found)}
