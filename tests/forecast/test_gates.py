"""The gates of a version: each refuses alone; a person's rollback holds."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import read_table
from almanac.errors import DataError
from almanac.forecast import gates
from almanac.forecast.gates import compare, judge_version
from almanac.forecast.published import PublishedTable, publish_version, roll_back
from almanac.forecast.versions import collect_version
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from tests.forecast.shop import NOW, declare, publish, rows_of, sales
from tests.forecast.world import compute, forecast

RUN = RunRef("forecast_sales", "r1")
GRAINS = 20
SCORES = [*(float(number) for number in range(1, 21))] * 2  # of two backtests that are alike


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path, models=tmp_path / "models")


def results(**changed: Any) -> pl.DataFrame:
    """Results of a version that every gate accepts."""
    values: dict[str, Any] = {
        "grain": [f'["{number}"]' for number in range(GRAINS)],
        "error": [0.8] * GRAINS,
        "baseline_error": [1.0] * GRAINS,
        "origins": [2] * GRAINS,
        "scores": [SCORES] * GRAINS,
        "absolute_error": [8.0] * GRAINS,
        "baseline_absolute_error": [10.0] * GRAINS,
        "signed_error": [0.0] * GRAINS,
        "absolute_actual": [100.0] * GRAINS,
    }
    return pl.DataFrame({**values, **changed})


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "better": ({"min_better": 0.5}, {"error": [0.8] * 9 + [1.0] * 11}, "45.0% of the grains .* at least 50.0%"),
    "error": ({"max_error": 0.79}, {}, r"the error of all grains is 0.800 of the baseline's, expected at most 0.79"),
    "coverage_0.8": (
        {"max_coverage_gap": 0.02},
        {"scores": [[1.0] * 11 + [5.0] * 9 + [1.0] * 17 + [5.0] * 3] * GRAINS},
        "77.5% of the values lie within the intervals of 80%, expected at least 78.0%",
    ),
    "bias": ({"max_bias": 0.05}, {"signed_error": [-6.0] * GRAINS}, "forecasts lie -6.0% beside .* at most 5.0%"),
}


@pytest.mark.parametrize("gate", CASES)
def test_version_that_one_gate_refuses_is_refused_by_it_alone(tmp_path: Path, gate: str) -> None:
    import re

    declared, changed, message = CASES[gate]
    model = declare(tmp_path, {"gates": declared})
    refusing = [one for one in gates._outcomes(model, results(**changed)) if not one.passed]
    assert [one.name for one in refusing] == [gate]
    assert re.match(message, refusing[0].reason), refusing[0].reason


def test_version_within_all_limits_passes(tmp_path: Path) -> None:
    model = declare(tmp_path, {"gates": {"min_better": 1.0, "max_error": 0.8, "max_coverage_gap": 0.01}})
    assert [one.name for one in gates._outcomes(model, results()) if not one.passed] == []


@pytest.mark.parametrize(
    ("ours", "passes"),
    [([0.8] * GRAINS, True), ([0.87] * GRAINS, True), ([0.89] * GRAINS, False), ([2.4] + [0.8] * 19, True)],
)
def test_version_worse_than_the_published_one_is_refused_beyond_chance(ours: list[float], passes: bool) -> None:
    """By a tenth everywhere is worse; one bad grain of twenty may be chance."""
    outcome = compare(results(error=ours), results(), "2023-11-27-x", max_worse=0.1)
    assert outcome.passed == passes
    assert "against version 2023-11-27-x, expected at most +0.080" in outcome.reason


def test_version_of_other_grains_has_nothing_to_be_compared_with() -> None:
    outcome = compare(results(error=[9.0] * GRAINS), results()[:9], "v", max_worse=0.1)
    assert (outcome.passed, outcome.reason) == (True, "only 9 grains are in version v, too")


def judge(model: ForecastModel, home: Home, version: str, run: RunRef = RUN) -> Decision:
    return judge_version(model, home, version, journal=Journal(home.journal_url), run=run, now=NOW)


def test_verdict_is_recorded_once_for_a_run(home: Home) -> None:
    model = declare(home.models, {"gates": {"max_coverage_gap": 0.5}})
    publish(home, rows_of(sales(3)))
    version = forecast(model, home)
    first = judge(model, home, version)
    assert first.accepted
    assert (first.figures["grains"], first.figures["set_aside"]) == (3.0, 0.0)
    assert judge(model, home, version) == first
    assert len(Journal(home.journal_url).decisions("sales", DecisionKind.GATES)) == 1
    judge(model, home, version, RunRef("forecast_sales", "r2"))
    assert len(Journal(home.journal_url).decisions("sales", DecisionKind.GATES)) == 2


def test_published_version_whose_results_are_lost_does_not_stop_the_next_one(home: Home) -> None:
    """Old snapshots hold no results: the published rows are there, and a person reads why in the verdict."""
    model = declare(home.models, {"gates": {"max_coverage_gap": 0.5}})
    publish(home, rows_of(sales(3)))
    lost = forecast(model, home)
    model = declare(home.models, {"gates": {"max_coverage_gap": 0.5}, "horizon": 2})
    for uri in (home.forecast_results_of("sales"), home.forecast_versions_of("sales")):
        shutil.rmtree(uri)
    plan, _ = compute(model, home)
    verdict = judge(model, home, collect_version(model, home, plan))
    assert verdict.accepted
    assert any(f"published: version {lost} cannot be compared: " in reason for reason in verdict.reasons)


def test_rollback_publishes_the_earlier_version_and_keeps_the_other_away(home: Home) -> None:
    model, journal = declare(home.models, {"gates": {"max_coverage_gap": 0.5}}), Journal(home.journal_url)
    publish(home, rows_of(sales(3)))
    first = forecast(model, home)
    before = read_table(home.predictions_of("sales"))
    model = declare(home.models, {"gates": {"max_coverage_gap": 0.5}, "horizon": 2})
    second = forecast(model, home)
    done = roll_back(model, home, first, "too low", journal=journal, run=RUN, now=NOW)
    assert (done["version"], PublishedTable.of(home, model).version()) == (first, first)
    assert read_table(home.predictions_of("sales")).sort("Store", "step").equals(before.sort("Store", "step"))
    verdict = judge(model, home, second)
    assert not verdict.accepted
    assert any("withdrawn: it was rolled back at 2023-11-29 00:00 UTC: too low" in one for one in verdict.reasons)


@pytest.mark.parametrize("version", ["2020-01-01-gone", "published"])
def test_rollback_to_no_other_version_is_refused_and_changes_nothing(home: Home, version: str) -> None:
    model, journal = declare(home.models), Journal(home.journal_url)
    publish(home, rows_of(sales(3)))
    published = forecast(model, home)
    wanted = published if version == "published" else version
    with pytest.raises(DataError, match=r"cannot roll back to|no version '2020-01-01-gone' of this forecast"):
        roll_back(model, home, wanted, "x", journal=journal, run=RUN, now=NOW)
    assert journal.decisions("sales", DecisionKind.ROLLBACK) == []
    assert publish_version(model, home, published, {}) is None
