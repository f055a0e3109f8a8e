"""Totals and grains of a forecast agree, and only by a method that backtests do not speak against."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from almanac.config.files.loader import find_forecast
from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.config.sections.forecast import Forecast
from almanac.data.table.delta_table import read_table
from almanac.errors import ConfigError
from almanac.forecast.gates import judge_version
from almanac.forecast.hierarchy import coherent
from almanac.forecast.hierarchy.reconcile import Reconciler, shrinkage, summing
from almanac.forecast.report.report import write_report
from almanac.forecast.versions import coherent_of, results_of
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from tests.forecast.shop import MODEL, NOW, START, WEEK, WEEKS, publish
from tests.forecast.world import compute, forecast

LEVELS = [["Region"], ["Region", "Store"]]
METHODS = ("bottom_up", "wls_struct", "mint_shrink")
FAST: dict[str, Any] = {"candidates": {"level": {}, "seasonal_mean": {}}, "hierarchy": LEVELS, "intervals": [0.8]}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path, models=tmp_path / "models")


def declare(home: Home, **changes: Any) -> ForecastModel:
    columns = {"Region": {"type": "string"}, **MODEL["dataset"]["columns"]}
    dataset = {**MODEL["dataset"], "key": ["Region", "Store", "Date"], "columns": columns}
    section = {**MODEL["forecast"], "grain": ["Region", "Store"], **FAST, "reconcile": "mint_shrink", **changes}
    home.models.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({**MODEL, "dataset": dataset, "forecast": section})
    (home.models / "sales.yaml").write_text(text, "utf-8")
    return find_forecast(home.models, "sales")


def rows(stores: int = 8, changed: str = "", closed: str = "") -> pl.DataFrame:
    """Stores whose noise is large and cancels out in a region: half of it goes from one store to the next."""
    draw, parts, steps = np.random.default_rng(4), [], np.arange(WEEKS)
    dates = [START + week * WEEK for week in range(WEEKS)]
    swap = draw.normal(0, 60, (stores, WEEKS))
    for number in range(stores):
        values = 500 + 60 * np.sin(2 * np.pi * steps / 12) + swap[number] - swap[number - 1] + draw.normal(0, 3, WEEKS)
        store = f"S{number}"
        part = pl.DataFrame({"Region": "NS"[number % 2], "Store": store, "Date": dates, "Weekly_Sales": values})
        part = part.with_columns(pl.col("Weekly_Sales") + 9.0) if store == changed else part
        parts.append(part.head(WEEKS - 5) if store == closed else part)
    return pl.concat(parts).with_columns(pl.col("Date").cast(pl.Datetime("us", "UTC")))


def apart(published: pl.DataFrame, totals: pl.DataFrame) -> float:
    """The largest difference between a total and the sum of its published grains."""
    worst = 0.0
    for row in totals.iter_rows(named=True):
        region = json.loads(row["grain"])[0]
        mine = published.filter(pl.lit(region is None) | (pl.col("Region") == region))
        sums = mine.group_by("step").agg(pl.col("forecast").sum()).sort("step")["forecast"].to_numpy()
        worst = max(worst, float(np.abs(sums - np.array(row["forecast"])).max()))
    return worst


def test_without_a_declared_method_no_grain_is_corrected() -> None:
    assert Forecast.model_fields["reconcile"].default == "bottom_up"


@pytest.mark.parametrize("method", METHODS)
def test_totals_are_the_sums_of_what_is_published(home: Home, method: str) -> None:
    model = declare(home, reconcile=method)
    publish(home, rows())
    version = forecast(model, home)
    found = coherent_of(model, home, version)
    assert found is not None
    assert found.method == method, found.ratios
    assert found.totals["grain"].to_list() == ["[null, null]", '["N", null]', '["S", null]']
    assert found.totals["grains"].to_list() == [8, 4, 4]
    published = read_table(home.predictions_of("sales"))
    assert len(published) == 8 * 4
    assert apart(published, found.totals) < 1e-9
    assert ("unreconciled" in found.grains.columns) == (method != "bottom_up")
    results = results_of(model, home, version)
    if method == "bottom_up":
        assert found.ratios == {}
    else:
        assert found.ratios["all"] < 0.5
        assert list(found.ratios) == ["all", "Region", "Region and Store"]
        assert results["forecast"].to_list() != results["unreconciled"].to_list()
        expected = np.abs(np.array(results["held_out"].to_list())).sum(axis=1)
        assert results["absolute_error"].to_numpy() == pytest.approx(expected)


def test_forecasts_that_are_cut_off_agree_too(home: Home) -> None:
    model = declare(home, limits={"min": 505.0, "max": 560.0})
    publish(home, rows())
    found = coherent_of(model, home, forecast(model, home))
    assert found is not None
    published = read_table(home.predictions_of("sales"))
    assert published["forecast"].is_between(505.0, 560.0).all()
    assert (published["forecast"] == 505.0).any()
    assert apart(published, found.totals) < 1e-9


def test_method_that_is_worse_than_sums_in_backtests_is_not_used(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    model = declare(home)
    publish(home, rows())
    monkeypatch.setattr(Reconciler, "grains", lambda _self, _totals, grains: 3 * grains)
    found = coherent_of(model, home, forecast(model, home))
    assert found is not None
    assert (found.method, found.ratios) == ("bottom_up", dict.fromkeys(found.ratios, pytest.approx(3.0)))
    assert "unreconciled" not in found.grains.columns


@pytest.mark.parametrize("ratios", [(0.1, 0.2, 1.03), (1.1, 1.1, 0.9)])
def test_method_that_costs_the_grains_or_the_mean_over_levels_is_not_used(
    home: Home, monkeypatch: pytest.MonkeyPatch, ratios: tuple[float, float, float]
) -> None:
    model = declare(home)
    publish(home, rows())
    monkeypatch.setattr(
        coherent, "_ratios", lambda *_: dict(zip(("all", "Region", "Region and Store"), ratios, strict=True))
    )
    found = coherent_of(model, home, forecast(model, home))
    assert found is not None
    assert found.method == "bottom_up"


def test_total_is_computed_once_and_again_when_one_of_its_grains_has_changed(home: Home) -> None:
    model = declare(home)
    publish(home, rows())
    assert [compute(model, home)[1], compute(model, home)[1]] == [8 + 3, 0]
    publish(home, rows(changed="S3"), replace=True)
    assert compute(model, home)[1] == 1 + 2  # the grain, its region, and all
    assert compute(declare(home, reconcile="wls_struct"), home)[1] == 0


def test_grain_that_is_set_aside_is_in_no_total(home: Home) -> None:
    model = declare(home)
    publish(home, rows(closed="S2"))
    version = forecast(model, home)
    found = coherent_of(model, home, version)
    assert found is not None
    assert found.totals["grains"].to_list() == [7, 3, 4]
    run = RunRef("forecast_sales", "r1")
    decision = judge_version(model, home, version, journal=Journal(home.journal_url), run=run, now=NOW)
    assert (decision.figures["grains"], decision.figures["set_aside"]) == (7.0, 1.0)


def test_version_keeps_the_hierarchy_that_it_was_made_with(home: Home) -> None:
    model = declare(home)
    publish(home, rows())
    first = forecast(model, home)
    then = results_of(model, home, first)
    other = declare(home, reconcile="bottom_up")
    second = forecast(other, home)
    assert second != first
    assert results_of(other, home, first).equals(then)
    without = declare(home, hierarchy=[])
    assert results_of(without, home, first).equals(then)
    assert coherent_of(without, home, forecast(without, home)) is None


def test_page_and_downloads_have_the_totals_with_intervals_of_their_own(home: Home) -> None:
    model = declare(home, limits={"min": 0})
    publish(home, rows())
    version = forecast(model, home)
    page = Path(write_report(model, home, Journal(home.journal_url), version, now=NOW))
    text = page.read_text("utf-8")
    assert "both were made to agree (mint_shrink); errors in backtests of mint_shrink" in text
    assert "Intervals of totals are of the totals&#39; own errors in backtests" in text
    assert f"forecast_{version}_totals.csv" in text
    totals = pl.read_parquet(page.with_name(f"forecast_{version}_totals.parquet"))
    assert totals.columns == [
        *("Region", "Store", "grains", "time", "step", "forecast", "lower_80", "upper_80", "version")
    ]
    assert len(totals) == 3 * 4
    assert (totals["lower_80"] < totals["forecast"]).all()
    assert (totals["forecast"] < totals["upper_80"]).all()
    grains = read_table(home.predictions_of("sales"))
    wide = float((grains["upper_80"] - grains["lower_80"]).sum())
    of_all = totals.filter(pl.col("Region").is_null())
    assert float((of_all["upper_80"] - of_all["lower_80"]).sum()) < 0.7 * wide  # noise cancels out: no sum of ends


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([["Store"], ["Region"], ["Region", "Store"]], r"each level must have the columns of the level above it"),
        ([["Region"]], r"the last level must be the grain \['Region', 'Store'\]; got \[\['Region'\]\]"),
        ([["Region"], ["Region"], ["Region", "Store"]], r"got \['Region'\] below \['Region'\]"),
        ([[], ["Region", "Store"]], r"got \[\] below \[\]"),
        ([["Region", "Region"], ["Region", "Store"]], r"got \['Region', 'Region'\] below \[\]"),
    ],
)
def test_hierarchy_that_is_not_nested_is_refused(home: Home, levels: list[list[str]], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"hierarchy: .*{message}"):
        declare(home, hierarchy=levels)


@pytest.mark.parametrize("method", ["wls_struct", "mint_shrink"])
def test_reconciliation_is_that_of_the_formula(method: Any) -> None:
    """S (S' W^-1 S)^-1 S' W^-1 y, with matrices of all by all."""
    draw = np.random.default_rng(1)
    sums = summing([[0, 1, 2, 3, 4], [0, 1], [2, 3, 4]], 5)
    wrong, values = draw.normal(size=(8, 20)), draw.normal(size=(8, 3))
    found = Reconciler.of(method, sums, wrong)
    if method == "wls_struct":
        weights = np.diag([5.0, 2.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    else:
        shrunk = shrinkage(wrong / np.sqrt((wrong**2).mean(axis=1))[:, None])
        assert 0 < shrunk < 1
        covariance = wrong @ wrong.T / 20
        weights = shrunk * np.diag(np.diag(covariance)) + (1 - shrunk) * covariance
    whole, inverse = np.vstack([sums.toarray(), np.eye(5)]), np.linalg.inv(weights)
    expected = np.linalg.solve(whole.T @ inverse @ whole, whole.T @ inverse @ values)
    assert found.grains(values[:3], values[3:]) == pytest.approx(expected)


def test_shrinkage_is_that_of_the_formula_over_all_pairs() -> None:
    scaled = np.random.default_rng(1).normal(size=(8, 20))
    scaled /= np.sqrt((scaled**2).mean(axis=1))[:, None]
    correlation, pairs = scaled @ scaled.T / 20, ~np.eye(8, dtype=bool)
    products = ((scaled[:, None] * scaled[None]) ** 2).sum(axis=2)
    varied = (products - 20 * correlation**2) / (20 * 19)
    assert shrinkage(scaled) == pytest.approx(varied[pairs].sum() / (correlation[pairs] ** 2).sum())
    assert shrinkage(np.ones((3, 5))) == 0.0
    assert shrinkage(np.ones((3, 1))) == shrinkage(np.ones((1, 5))) == 1.0


def test_backtest_is_reconciled_by_the_errors_of_the_others_alone() -> None:
    """Of its own errors the outcome is a linear function: twice the errors, twice the outcome."""
    draw, sums = np.random.default_rng(2), summing([[0, 1, 2]], 3)
    above, below = draw.normal(size=(1, 9)), draw.normal(size=(3, 9))
    once = coherent._held_out("mint_shrink", sums, above, below, (3, 3))
    above[:, :3] *= 2
    below[:, :3] *= 2
    twice = coherent._held_out("mint_shrink", sums, above, below, (3, 3))
    assert twice[:, :3] == pytest.approx(2 * once[:, :3])
    assert twice[:, 3:] != pytest.approx(once[:, 3:])
