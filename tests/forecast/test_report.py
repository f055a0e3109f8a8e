"""The report page: differences and their reasons, what has turned out, bounded for thousands of grains."""

import io
import json
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.forecast.adjustments import add_adjustment
from almanac.forecast.report import content
from almanac.forecast.report.charts import SeriesChart
from almanac.forecast.report.differences import by_period, moved_grains, shared_rows
from almanac.forecast.report.report import write_report
from almanac.forecast.report.tracking import log_version
from almanac.forecast.versions import results_of
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.pages.report_files import UnknownPageError, read_data_file
from almanac.registry.store import Registry
from tests.forecast.shop import NEWEST, NOW, START, WEEK, WEEKS, declare, publish, rows_of, sales
from tests.forecast.test_adjustments import FIRST
from tests.forecast.world import forecast

FAST = {"candidates": {"naive": {}, "drift": {}, "theta": {}}}
DAY = START.replace(day=1)


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, ForecastModel, str, str]:
    """The second one is of two weeks later; one grain is constant and set aside."""
    folder = tmp_path_factory.mktemp("report")
    home = Home(home=folder, models=folder / "models")
    model = declare(home.models, FAST)
    series = sales(6) | {"Sflat": np.full(WEEKS, 3.0)}
    publish(home, rows_of({name: values[:-2] for name, values in series.items()}))
    first = forecast(model, home, now=NOW - 2 * WEEK)
    publish(home, rows_of({name: values[-2:] for name, values in series.items()}, start=NEWEST - WEEK))
    second = forecast(model, home)
    add_adjustment(model, Journal(home.journal_url), FIRST, ['["S00001"]'], run=RunRef("almanac", "1"))
    return home, model, first, second


def page_of(found: tuple[Home, ForecastModel, str, str], version: str) -> str:
    home, model, _, _ = found
    return Path(write_report(model, home, Journal(home.journal_url), version, now=NOW)).read_text("utf-8")


def test_report_says_what_differs_from_the_forecast_before_and_why(
    two_versions: tuple[Home, ForecastModel, str, str],
) -> None:
    _, _, first, second = two_versions
    page = page_of(two_versions, second)
    assert f"Version {first} against this one" in page
    assert "By month" in page
    assert "new data" in page
    assert "constant: all values are 3" in page
    assert "a fair in town" not in page_of(two_versions, first) or FIRST.reason in page


def test_report_says_how_the_forecast_before_has_turned_out(two_versions: tuple[Home, ForecastModel, str, str]) -> None:
    _, model, _, second = two_versions
    page = page_of(two_versions, second)
    assert "Expected by backtests" in page
    rows = re.findall(r"<tr><td>(\d+)</td><td>6</td>", page)
    assert rows[: model.forecast.horizon] == ["1", "2"]  # of four steps ahead, two have come, for six grains


def test_report_of_the_first_version_has_nothing_to_compare_with(
    two_versions: tuple[Home, ForecastModel, str, str],
) -> None:
    assert "There is no earlier version to compare with." in page_of(two_versions, two_versions[2])


def test_rows_beside_the_page_are_those_of_the_version(two_versions: tuple[Home, ForecastModel, str, str]) -> None:
    home, _, _, second = two_versions
    page_of(two_versions, second)
    csv, kind = read_data_file(home, "sales", f"forecast_{second}.csv")
    assert kind.startswith("text/csv")
    rows = pl.read_csv(io.BytesIO(csv))
    parquet = pl.read_parquet(io.BytesIO(read_data_file(home, "sales", f"forecast_{second}.parquet")[0]))
    assert (len(rows), rows["forecast"].to_list()) == (6 * 4, parquet["forecast"].to_list())
    grains = pl.read_csv(io.BytesIO(read_data_file(home, "sales", f"forecast_{second}_grains.csv")[0]))
    assert {"grain", "candidate", "parameters", "trend_strength", "seasonal_strength", "growth"} <= {*grains.columns}


@pytest.mark.parametrize("name", ["../x.csv", "x.html", "gone.csv", ".csv"])
def test_no_other_file_is_given_as_rows(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.csv").write_text("secret")
    with pytest.raises(UnknownPageError, match="no such"):
        read_data_file(Home(home=tmp_path), "sales", name)


def test_page_of_thousands_of_grains_shows_the_worst_and_says_how_many(
    two_versions: tuple[Home, ForecastModel, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "CHARTS", 2)
    monkeypatch.setattr(content, "ROWS", 3)
    page = page_of(two_versions, two_versions[3])
    assert "The worst 3 of 6; all are in the" in page
    assert page.count("<figure>") == 1 + 2
    assert "2 of 6, by the error" in page


def test_traits_of_grains_are_logged_to_mlflow_once(
    two_versions: tuple[Home, ForecastModel, str, str], tmp_path: Path
) -> None:
    home, model, _, second = two_versions
    registry = Registry.of(Home(home=tmp_path))
    results, run = results_of(model, home, second), RunRef("forecast_sales", "r1")
    run_id = log_version(registry, model, second, results, run=run)
    assert log_version(registry, model, second, results, run=run) == run_id
    found = registry.client.get_run(run_id)
    assert (found.data.params["horizon"], found.data.metrics["grains"]) == ("4", 6.0)
    assert [each.path for each in registry.client.list_artifacts(run_id)] == ["grains.csv"]


def rows(values: list[float], first_day: int = 1, candidate: str = "a") -> pl.DataFrame:
    times = [DAY + timedelta(days=first_day - 1 + step) for step in range(len(values))]
    return pl.DataFrame({"grain": ["x"] * len(values), "time": times, "step": 1, "forecast": values})


def result(**changed: object) -> pl.DataFrame:
    values = {"grain": "x", "candidate": "a", "members": ["a"], "parameters": "{}", "origin": "o", "key": "k"}
    return pl.DataFrame({name: [value] for name, value in {**values, **changed}.items()})


def test_differences_are_summed_by_step_day_week_and_month_for_shared_dates_only() -> None:
    """The month begins on a Saturday: of the six shared days, two lie in its first week, four in the second."""
    shared = shared_rows(rows([9.0] * 9, first_day=1), rows([1.0] * 8, first_day=-1))
    periods = by_period(shared, timedelta(hours=1))
    assert list(periods) == ["step", "day", "week", "month"]
    assert [row["change"] for row in periods["month"].iter_rows(named=True)] == [48.0]
    assert periods["week"]["steps"].to_list() == [2, 4]
    assert list(by_period(shared, timedelta(days=7))) == ["step", "month"]


def test_changes_that_cancel_in_the_total_are_told_as_moved() -> None:
    shared = shared_rows(rows([2.0, 0.0]), rows([1.0, 1.0]))
    (month,) = by_period(shared, timedelta(days=1))["month"].iter_rows(named=True)
    assert (month["change"], month["moved"]) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"candidate": "b"}, "other candidate: a, now b"),
        ({"members": ["a", "c"]}, "other members of the a: a, now a, c"),
        ({"parameters": json.dumps({"a": {"alpha": 1}})}, "other parameters"),
        ({"origin": "later"}, "new data"),
        ({"key": "other"}, "changed rows, declaration or code"),
    ],
)
def test_grain_that_moved_says_why(changed: dict[str, object], why: str) -> None:
    shared = shared_rows(rows([2.0]), rows([1.0]))
    (moved,) = moved_grains(shared, result(**changed), result(), 5)
    assert (moved.why, moved.change, moved.share) == (why, 1.0, 1.0)


def test_grain_names_are_text_in_a_picture() -> None:
    svg = SeriesChart([1.0, 2.0], [3.0]).svg('"><script>')
    assert "<script>" not in svg
    assert "polyline" in svg
