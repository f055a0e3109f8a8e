"""What people adjust: applied in its range only, kept beside the model's value, undone, expired, and measured."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import read_table
from almanac.errors import DataError
from almanac.forecast.adjustments import Adjustment, add_adjustment, adjustments_of, undo_adjustment
from almanac.forecast.past.accuracy import help_of, past_forecasts
from almanac.forecast.published import publish_version
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from tests.forecast.shop import NEWEST, NOW, WEEK, declare, publish, rows_of, sales
from tests.forecast.world import forecast

RUN = RunRef("almanac", "command__1", started_by="ann")
FIRST = Adjustment(
    *("a1", '["S00001"]', NEWEST + 2 * WEEK, NEWEST + 4 * WEEK, 10.0, NOW + timedelta(days=20)),
    made_by="ann",
    made_at=NOW,
    reason="a fair in town",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path, models=tmp_path / "models")


@pytest.fixture
def model(home: Home) -> ForecastModel:
    found = declare(home.models, {"candidates": {"naive": {}, "drift": {}}})
    publish(home, rows_of(sales(3)))
    return found


def test_adjustment_changes_its_grain_and_range_only_and_leaves_the_models_value(
    home: Home, model: ForecastModel
) -> None:
    version = forecast(model, home)
    before = read_table(home.predictions_of("sales")).sort("Store", "step")
    assert before["adjusted"].equals(before["forecast"].alias("adjusted"))
    assert publish_version(model, home, version, {}, [FIRST]) is not None
    after = read_table(home.predictions_of("sales")).sort("Store", "step")
    assert after["forecast"].equals(before["forecast"])
    changed = after.filter(pl.col("adjustment") == "a1")
    assert (set(changed["Store"]), changed["step"].to_list()) == ({"S00001"}, [2, 3])
    assert changed["adjusted"].to_list() == pytest.approx([value * 1.1 for value in changed["forecast"]])
    others = after.filter(pl.col("adjustment") != "a1")
    assert others["adjusted"].equals(others["forecast"].alias("adjusted"))
    assert publish_version(model, home, version, {}, [FIRST]) is None


def test_two_adjustments_of_one_step_are_multiplied_and_both_are_named(home: Home, model: ForecastModel) -> None:
    publish_version(model, home, forecast(model, home), {}, [FIRST, replace(FIRST, id="b2", percent=-50.0)])
    rows = read_table(home.predictions_of("sales")).filter(pl.col("adjustment") == "a1 b2")
    assert rows["adjusted"].to_list() == pytest.approx([value * 0.55 for value in rows["forecast"]])


def test_adjustment_is_recorded_with_who_and_why_and_can_be_undone_once(home: Home, model: ForecastModel) -> None:
    journal = Journal(home.journal_url)
    add_adjustment(model, journal, FIRST, ['["S00001"]'], run=RUN)
    assert adjustments_of(journal, "sales") == [FIRST]
    undo_adjustment(model, journal, "a1", "the fair is off", run=replace(RUN, started_by="bob"), now=NOW)
    (found,) = adjustments_of(journal, "sales")
    assert (found.undone, found.is_active(NOW)) == ("bob: the fair is off", False)
    with pytest.raises(DataError, match=r"no adjustment 'a1' that could be undone; expected one of \[\]"):
        undo_adjustment(model, journal, "a1", "again", run=RUN, now=NOW)


def test_adjustment_is_applied_until_it_expires() -> None:
    assert FIRST.is_active(FIRST.expires_at - timedelta(seconds=1))
    assert not FIRST.is_active(FIRST.expires_at)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"grain": '["S9"]'}, r'no such grain is published; expected one such as \["S00001"\]'),
        ({"until": FIRST.since}, "the range is empty"),
        ({"percent": 0.0}, "got \\+0 percent, expected -100 to 1000, and not 0"),
        ({"percent": -101.0}, "got -101 percent"),
        ({"percent": 1001.0}, "got \\+1001 percent"),
        ({"expires_at": NOW}, "it would have expired already"),
    ],
)
def test_adjustment_that_makes_no_sense_is_refused_and_not_recorded(
    home: Home, model: ForecastModel, changed: dict[str, object], message: str
) -> None:
    journal = Journal(home.journal_url)
    with pytest.raises(DataError, match=message):
        add_adjustment(model, journal, replace(FIRST, **changed), ['["S00001"]'], run=RUN)  # type: ignore[arg-type]
    assert adjustments_of(journal, "sales") == []


def test_whether_an_adjustment_has_helped_is_told_by_the_actual_values(home: Home, model: ForecastModel) -> None:
    version = forecast(model, home)
    values = read_table(home.predictions_of("sales")).filter(pl.col("Store") == "S00001").sort("step")["forecast"]
    assert help_of(FIRST, past_forecasts(model, home)).words == "no actual value has come yet"
    publish(home, rows_of({"S00001": np.array(values) * 1.1}, start=NEWEST + WEEK))
    past = past_forecasts(model, home)
    assert set(past["version"]) == {version}
    assert help_of(FIRST, past).words.startswith("helped: over 2 steps the error is")
    assert help_of(replace(FIRST, percent=-10.0), past).words.startswith("did not help: over 2 steps")


def test_commands_adjust_list_and_undo(home: Home, model: ForecastModel, monkeypatch: pytest.MonkeyPatch) -> None:
    forecast(model, home)
    monkeypatch.setenv("ALMANAC_HOME", str(home.home))
    monkeypatch.setenv("ALMANAC_MODELS", str(home.models))

    def run(*words: str) -> str:
        found = CliRunner().invoke(app, ["forecast", *words])
        assert found.exit_code == 0, found.output
        return found.output

    since, until = f"{FIRST.since:%Y-%m-%d}", f"{FIRST.until:%Y-%m-%d}"
    words = ("adjust", "sales", "S00001", "--percent", "10", "--since", since, "--until", until)
    output = run(*words, "--reason", "a fair in town")
    assert "is published with 1 adjustments" in output
    made = output.split("adjustment ")[1][:8]
    assert set(read_table(home.predictions_of("sales"))["adjustment"]) == {"", made}
    assert "a fair in town" in run("adjustments", "sales")
    assert "with 0 adjustments" in run("unadjust", "sales", made, "--reason", "it is off")
    assert set(read_table(home.predictions_of("sales"))["adjustment"]) == {""}
    assert "undone by" in run("adjustments", "sales")
    (told,) = json.loads(run("adjustments", "sales", "--json"))
    assert (told["percent"], bool(told["undone"])) == (10.0, True)
