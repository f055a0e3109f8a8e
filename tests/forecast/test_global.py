"""The candidate that is fitted over all grains: keyed by what it was fitted on, and gated per grain."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.config.sections.forecast import Forecast
from almanac.data.table.delta_table import read_table
from almanac.errors import DataError
from almanac.forecast.choice import forecast_panel
from almanac.forecast.compute import compute_chunk
from almanac.forecast.global_candidate import make_fit as making
from almanac.forecast.global_candidate.fit import NAME, FitSample, global_candidate
from almanac.forecast.global_candidate.fit_table import FitTable, choose_fit
from almanac.forecast.global_candidate.make_fit import make_fit
from almanac.forecast.panel import Panel
from almanac.forecast.plan import make_plan, missing_grains
from almanac.forecast.results import ResultTable
from tests.forecast.shop import NOW, declare, publish, rows_of, sales
from tests.forecast.world import compute

GLOBAL: dict[str, Any] = {"rounds": 20, "windows": 2_000, "refit_share": 0.2}
FAST: dict[str, Any] = {"candidates": {"naive": {}, "global": GLOBAL}, "choose": {"backtests": 2, "ensemble": []}}
STORES = 10


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path, models=tmp_path / "models")


@pytest.fixture
def model(home: Home) -> ForecastModel:
    publish(home, rows_of(sales(STORES)))
    return declare(home.models, FAST)


def changed(names: set[str]) -> dict[str, np.ndarray]:
    return {name: values + 5 * (name in names) for name, values in sales(STORES).items()}


def declared(**more: object) -> Forecast:
    values = {"target": "y", "grain": ["g"], "horizon": 4, "season": [12], **FAST}
    return Forecast.model_validate({**values, **more})


def fits(series: dict[str, np.ndarray], forecast: Forecast, windows: int = 300) -> dict[int, str]:
    found = {}
    for hidden in range(0, forecast.horizon * (forecast.choose.backtests + 1), forecast.horizon):
        sample = FitSample(forecast, hidden, windows)
        sample.add(series, Panel.of(list(series.values())))
        found[hidden] = sample.fit(forecast.candidates.over_all)
    return found


def test_what_all_grains_have_in_common_is_found_where_a_grain_alone_has_too_few_steps() -> None:
    """After a peak, whose time no season tells, the next two steps are high in each of many short series."""
    draw, series = np.random.default_rng(5), {}
    for number in range(40):
        peaks = np.zeros(60)
        peaks[draw.choice(58, 9, replace=False)] = 1.0
        after = np.convolve(peaks, [1.0, 0.8, 0.6])[:60]
        series[f"g{number}"] = draw.uniform(50, 500) * (1 + after) * np.exp(draw.normal(0, 0.02, 60))
    forecast = declared(horizon=1, season=[12], choose={"backtests": 3, "ensemble": []})
    candidate = global_candidate(forecast, fits(series, forecast, windows=60))
    found = forecast_panel(Panel.of(list(series.values())), forecast, {NAME: candidate})
    assert all(one.error <= one.baseline_error for one in found)
    assert sum(one.candidate == NAME for one in found) > 10
    assert np.mean([one.errors[NAME] for one in found]) < 0.7 * np.mean([one.baseline_error for one in found])


def test_grain_on_which_it_is_worse_than_the_baseline_does_not_use_it() -> None:
    series = sales(6)
    series["S00003"] = np.tile(np.random.default_rng(9).normal(100, 20, 10), 10)[:100]
    forecast = declared(season=[10])
    found = forecast_panel(
        Panel.of(list(series.values())), forecast, {NAME: global_candidate(forecast, fits(series, forecast))}
    )
    assert found[3].errors[NAME] > found[3].baseline_error == 0.0
    assert found[3].kept_baseline


def test_fit_of_a_backtest_does_not_see_what_comes_after_its_origin() -> None:
    forecast, before = declared(), sales(6)
    after = {name: np.concatenate([values[:-4], 9 * values[-4:]]) for name, values in before.items()}
    ours, theirs = fits(before, forecast), fits(after, forecast)
    assert ours[0] != theirs[0]
    assert (ours[4], ours[8]) == (theirs[4], theirs[8])


def test_same_rows_give_the_same_fit_and_bytes_whatever_the_chunks(
    home: Home, model: ForecastModel, tmp_path: Path
) -> None:
    compute(model, home)
    other = Home(home=tmp_path / "other", models=tmp_path / "other" / "models")
    publish(other, rows_of(sales(STORES)))
    compute(declare(other.models, {**FAST, "grains_per_task": 3}), other)
    for name, by in (("forecast_fits_of", ["fit", "hidden"]), ("forecast_results_of", ["key"])):
        ours, theirs = (read_table(getattr(each, name)("sales")).sort(by) for each in (home, other))
        assert ours.equals(theirs)


def test_few_changed_grains_are_computed_by_the_fit_that_is_there_and_many_by_a_new_one(
    home: Home, model: ForecastModel
) -> None:
    first, computed = compute(model, home)
    assert computed == STORES
    publish(home, rows_of(changed({"S00001", "S00004"})), replace=True)
    second, computed = compute(model, home)
    assert (computed, second.fit) == (2, first.fit)
    assert len(FitTable.of(home, model).members(first.origin)) == 1
    publish(home, rows_of(changed({"S00001", "S00004", "S00006"})), replace=True)  # three since the fit, not one
    third, computed = compute(model, home)
    assert computed == STORES
    assert third.fit != first.fit


def test_with_a_share_of_zero_each_change_computes_all_grains(home: Home, model: ForecastModel) -> None:
    compute(model, home)
    strict = declare(home.models, {**FAST, "candidates": {"global": {**GLOBAL, "refit_share": 0}}})
    assert compute(strict, home)[1] == STORES  # another declaration
    publish(home, rows_of(changed({"S00001"})), replace=True)
    assert compute(strict, home)[1] == STORES


def test_fit_that_is_there_is_not_made_again(home: Home, model: ForecastModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed after its fit goes on at the chunks."""
    plan = make_plan(model, home, now=NOW)
    assert make_fit(model, home, plan) == {"fit": plan.fit, "fitted": True, "failure": ""}
    monkeypatch.setattr(making, "_fit", None)
    assert make_fit(model, home, plan)["fitted"] is False
    assert make_plan(model, home, now=NOW).keys == plan.keys
    assert compute(model, home)[1] == STORES


def test_nearest_fit_of_the_period_is_used_and_a_grain_that_has_gone_counts(home: Home, model: ForecastModel) -> None:
    table, members = FitTable.of(home, model), {f"g{number}": f"h{number}" for number in range(10)}
    table.add("2024", "old", {0: "trees"}, "", members)
    table.add("2024", "new", {0: "trees"}, "", {**members, "g1": "other"})
    table.add("2024", "new", {0: "trees"}, "", {**members, "g1": "other"})
    assert len(read_table(table.uri)) == 2
    now = {**members, "g1": "other", "g2": "other"}
    assert choose_fit(table, "2024", now, 0.1) == "new"
    assert choose_fit(table, "2024", now, 0.05) not in ("new", "old")
    assert choose_fit(table, "2025", now, 0.1) not in ("new", "old")
    del now["g3"]
    assert choose_fit(table, "2024", now, 0.1) not in ("new", "old")


def test_chunk_without_its_fit_is_refused(home: Home, model: ForecastModel) -> None:
    plan = make_plan(model, home, now=NOW)
    grains = missing_grains(plan, ResultTable.of(home, model))
    with pytest.raises(DataError, match=rf"no fit '{plan.fit}' of 2023-11-27T00:00:00Z; expected one"):
        compute_chunk(model, home, grains, dataset_version=0, origin=plan.origin, fit=plan.fit)


def test_fit_that_cannot_be_made_is_a_failure_of_each_grain_and_not_of_the_run(
    home: Home, model: ForecastModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise ValueError("no trees today")

    monkeypatch.setattr(FitSample, "fit", refuse)
    plan, computed = compute(model, home)
    rows = ResultTable.of(home, model).read(plan.origin, list(plan.keys.values()))
    assert computed == STORES
    assert set(rows["failures"]) == {'{"global": "ValueError: no trees today"}'}


def test_without_any_moment_there_is_no_fit() -> None:
    sample = FitSample(declared(), 0, 10)
    sample.add(["g"], Panel.of([np.arange(12.0)]))
    with pytest.raises(ValueError, match="no series is long enough"):
        sample.fit(declared().candidates.over_all)
