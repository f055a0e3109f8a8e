"""Known-ahead columns: used by candidates that can, part of each grain's key, and never a look at the future."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.config.sections.forecast import Forecast
from almanac.errors import ConfigError
from almanac.forecast.calendar.effects import usable_columns
from almanac.forecast.candidates import candidates_of
from almanac.forecast.choice import forecast_panel
from almanac.forecast.panel import Panel
from almanac.forecast.plan import make_plan
from almanac.forecast.results import ResultTable
from tests.forecast.shop import NEWEST, NOW, START, WEEK, WEEKS, declare, publish, rows_of
from tests.forecast.world import compute

HORIZON = 4
FAST: dict[str, Any] = {"calendar": "fairs.csv", "candidates": {"level": {}}}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path, models=tmp_path / "models")


def fairs(seed: int = 1, steps: int = WEEKS + HORIZON) -> np.ndarray:
    return (np.random.default_rng(seed).random(steps) < 0.15).astype(float)


def fairs_times(stores: int) -> dict[str, np.ndarray]:
    """Series of a season of 12 weeks that a fair raises by half, and nothing else moves."""
    steps = np.arange(WEEKS)
    return {
        f"S{store}": (1000 + 100 * store + 200 * np.sin(2 * np.pi * steps / 12)) * (1 + 0.5 * fairs(store)[:WEEKS])
        for store in range(stores)
    }


def write(home: Home, rows: pl.DataFrame, name: str = "fairs.csv") -> None:
    home.models.mkdir(parents=True, exist_ok=True)
    rows.with_columns(pl.col("Date").dt.strftime("%Y-%m-%d")).write_csv(home.models / name)


def calendar_of(stores: int) -> pl.DataFrame:
    dates = [START + week * WEEK for week in range(WEEKS + HORIZON)]
    return pl.concat(pl.DataFrame({"Store": f"S{each}", "Date": dates, "fair": fairs(each)}) for each in range(stores))


@pytest.fixture
def ready(home: Home) -> ForecastModel:
    write(home, calendar_of(5))
    publish(home, rows_of(fairs_times(5)))
    return declare(home.models, FAST)


def results_of_plan(home: Home, model: ForecastModel) -> pl.DataFrame:
    plan, _ = compute(model, home)
    return ResultTable.of(home, model).read(plan.origin, list(plan.keys.values()))


def test_fair_ahead_is_in_the_forecast_and_one_of_last_season_is_not(home: Home, ready: ForecastModel) -> None:
    rows = results_of_plan(home, ready)
    steps = np.arange(WEEKS, WEEKS + HORIZON)
    assert all(name.startswith("calendar_") for name in rows["candidate"])
    for store, found in enumerate(rows["forecast"]):
        level = 1000 + 100 * store + 200 * np.sin(2 * np.pi * steps / 12)
        assert found.to_numpy() == pytest.approx(level * (1 + 0.5 * fairs(store)[WEEKS:]), rel=0.02)
    assert any(fairs(store)[WEEKS:].any() for store in range(5))


def test_arima_takes_the_calendar_and_names_its_coefficient() -> None:
    draw, known = np.random.default_rng(2), fairs(3)
    series = 50 + draw.normal(0, 1, WEEKS) + 30 * known[:WEEKS]
    for arima in ({"order": [1, 0, 0]}, {"order": "auto"}):
        forecast = Forecast.model_validate(
            {"target": "y", "grain": ["g"], "horizon": HORIZON, "season": [12], "candidates": {"arima": arima}}
        )
        panel = Panel.of([series], [known[:, None]], ("fair",))
        found = candidates_of(forecast)["arima"](panel, HORIZON)
        assert found.parameters[0]["fair"] == pytest.approx(30, abs=1.5)
        assert found.values[0] == pytest.approx(50 + 30 * known[WEEKS:], abs=3)


def test_backtest_sees_the_calendar_of_its_horizon_and_no_actual_value_of_it() -> None:
    known, series = fairs(4)[:, None], fairs_times(5)["S4"]
    panel = Panel.of([series], [known], ("fair",))
    past = panel.before(2 * HORIZON).known_of(0)
    assert past is not None
    assert past.values.tolist() == known[: WEEKS - HORIZON].tolist()
    declared = Forecast.model_validate(
        {"target": "y", "grain": ["g"], "horizon": HORIZON, "season": [12], **FAST, "choose": {"backtests": 2}}
    )
    changed = series.copy()
    changed[-HORIZON:] *= 7
    (before, after) = (
        candidates_of(declared)["calendar_level_12"](each.before(HORIZON), HORIZON).values
        for each in (panel, Panel.of([changed], [known], ("fair",)))
    )
    assert before.tobytes() == after.tobytes()


def test_changed_calendar_computes_only_the_grains_that_use_it(home: Home, ready: ForecastModel) -> None:
    assert compute(ready, home)[1] == 5
    rows, third = calendar_of(5), pl.col("Store") == "S2"
    write(home, rows.with_columns(fair=pl.when(third & (pl.col("Date") > NEWEST)).then(1.0).otherwise("fair")))
    assert compute(ready, home)[1] == 1
    beyond = rows.filter(third).tail(1).with_columns(pl.col("Date") + timedelta(weeks=1))
    write(home, pl.concat([rows, beyond]))
    assert compute(ready, home)[1] == 0  # S2 as it was at first; a step beyond the horizon is nobody's


@pytest.mark.parametrize("lost", [pl.col("Date") == NEWEST + 2 * WEEK, pl.col("Date") == START + 3 * WEEK])
def test_grain_whose_calendar_misses_a_step_is_set_aside_with_words(
    home: Home, ready: ForecastModel, lost: pl.Expr
) -> None:
    rows = calendar_of(5)
    write(home, rows.filter(~((pl.col("Store") == "S1") & lost)))
    plan = make_plan(ready, home, now=NOW)
    date = rows.filter(lost)["Date"][0]
    assert list(plan.aside) == ['["S1"]']
    assert plan.aside['["S1"]'] == (
        f"calendar: 1 of 104 steps have no value, {int(date > NEWEST)} of them ahead, the first: fair at"
        f" {date:%Y-%m-%d %H:%M}"
    )


def test_calendar_of_all_grains_that_ends_too_early_refuses_the_frame(home: Home, ready: ForecastModel) -> None:
    write(home, calendar_of(1).drop("Store").filter(pl.col("Date") <= NEWEST + WEEK))
    plan = make_plan(ready, home, now=NOW)
    assert plan.problems[0].startswith("5 of 5 grains cannot be forecast (calendar 5), such as")
    write(home, calendar_of(1).drop("Store"))
    assert make_plan(ready, home, now=NOW).problems == ()


def test_constant_and_collinear_columns_are_left_out_with_a_reason(home: Home, ready: ForecastModel) -> None:
    twice = calendar_of(5).with_columns(
        never=0.0, double=2 * pl.col("fair") + 1, summer=(pl.col("Date").rank("dense") % 12 < 3)
    )
    write(home, twice.with_columns(pl.col("summer").cast(pl.Int8)))
    (first, *_) = results_of_plan(home, ready)["left_out"]
    assert json.loads(first) == {
        "never": "constant: always 0 in the 100 steps of the series",
        "double": "collinear: follows from fair",
        "summer": "as a change since 12 steps ago: constant: always 0 in the 88 steps of the series",
    }
    assert usable_columns(np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 5.0]]), ("a", "b")) == ([0, 1], {})


def test_dataset_of_another_model_is_a_calendar_too(home: Home, ready: ForecastModel) -> None:
    from_file = make_plan(ready, home, now=NOW).keys
    publish(home, calendar_of(5).with_columns(pl.col("Date").cast(pl.Datetime("us", "UTC"))), "promotions")
    declare(home.models, {}, "promotions")
    joined = declare(home.models, {**FAST, "calendar": {"model": "promotions", "columns": ["fair"]}})
    assert make_plan(joined, home, now=NOW).keys == from_file


BROKEN = {
    "no file": (None, r"fairs\.csv: No such file or directory; forecast\.calendar names this file"),
    "no time": ("Day,fair\n2022-01-03,1\n", r"got the columns \['Day', 'fair'\], expected one with the time, 'Date'"),
    "a text": ("Date,fair\n2022-01-03,yes\n", r"fair: got 'yes', expected numbers; write a yes or no as 1 or 0"),
    "no date": ("Date,fair\n2022-01-03,1\n3.1.22,0\n", r"line 3: Date: got '3\.1\.22', expected such as 2024-12-23"),
    "twice": ("Date,fair\n2022-01-03,1\n2022-01-03,0\n", r"two rows of 2022-01-03 00:00"),
    "empty": ("Date,fair\n", r"got 0 rows, columns \['Date', 'fair'\]; expected Date and numbers"),
    "no column": ("Date\n2022-01-03\n", r"got 1 rows, columns \['Date'\]; expected Date and numbers"),
    "ragged": ("Date,fair\n2022-01-03,1,2,3\n", r"no CSV that can be read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_file_that_is_no_calendar_is_refused_with_where_and_what(home: Home, ready: ForecastModel, case: str) -> None:
    text, message = BROKEN[case]
    path = home.models / "fairs.csv"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        make_plan(ready, home, now=NOW)


def test_declared_column_that_the_calendar_lacks_is_refused(home: Home, ready: ForecastModel) -> None:
    model = declare(home.models, {**FAST, "calendar": {"file": "fairs.csv", "columns": ["sun"]}})
    with pytest.raises(ConfigError, match=r"no columns \['sun'\]; expected some of \['fair'\]"):
        make_plan(model, home, now=NOW)


def test_result_with_a_calendar_does_not_depend_on_the_grains_beside_it() -> None:
    series, known = list(fairs_times(4).values()), [fairs(each)[:, None] for each in range(4)]
    series = [each[drop:] for each, drop in zip(series, (0, 13, 5, 20), strict=True)]
    known = [each[drop:] for each, drop in zip(known, (0, 13, 5, 20), strict=True)]
    declared = Forecast.model_validate({"target": "y", "grain": ["g"], "horizon": HORIZON, "season": [12], **FAST})
    together = forecast_panel(Panel.of(series, known, ("fair",)), declared)
    for number, one in enumerate(together):
        (alone,) = forecast_panel(Panel.of([series[number]], [known[number]], ("fair",)), declared)
        assert (one.errors, one.forecast.tobytes()) == (alone.errors, alone.forecast.tobytes())
