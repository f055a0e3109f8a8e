"""`almanac cost`: what tasks have used, with and without prices, for people and for programs."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from almanac.cli.app import app
from almanac.config.home import Home
from almanac.costs.ledger import record_usage
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind
from tests.costs.test_ledger import RUN, TRIED

PRICES = "prices: {currency: EUR, cpu_hour: 0.5, gib_hour: 0.1, watts_per_cpu: 10}\n"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of declarations, and a ledger of one refused training that registered version 3 all the same."""
    now = datetime.now(UTC)
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path))
    journal = Journal(Home().journal_url)
    record_usage(journal, replace(TRIED, ended_at=now, version="3"))
    journal.record_decision(Decision("weather", DecisionKind.GATES, False, ("no",), now, RUN, "m"))
    (tmp_path / "_installation.yaml").write_text(PRICES)
    return tmp_path


def cost(*options: str) -> Result:
    return CliRunner().invoke(app, ["cost", *options])


def test_cost_shows_amounts_of_models_and_of_refused_trainings(models: Path) -> None:
    lines = cost().stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("weather")] == [
        ["weather", "1", "1.000", "0.500", "2.000", "0.4500", "0.0050"]
    ] * 2
    assert any("trainings that the gates refused" in line for line in lines)


@pytest.mark.parametrize(
    ("by", "name"), [("pipeline", "train"), ("version", "weather@3"), ("month", f"{datetime.now(UTC):%Y-%m}")]
)
def test_cost_for_programs_adds_up_by_what_is_asked(models: Path, by: str, name: str) -> None:
    found = json.loads(cost("--by", by, "--json").stdout)
    assert (found["currency"], found["by"]) == ("EUR", by)
    assert [(one["name"], one["amount"]) for one in found["costs"]] == [(name, 0.45)]
    assert [one["name"] for one in found["refused_trainings"]] == ["weather"]


def test_cost_without_prices_shows_quantities_and_says_where_prices_go(models: Path) -> None:
    (models / "_installation.yaml").write_text("{}\n")
    output = cost().stdout
    assert "weather" in output
    assert "`prices` of _installation.yaml is not declared" in output


def test_cost_since_a_later_day_shows_nothing(models: Path) -> None:
    assert json.loads(cost("--since", "2999-01-01", "--json").stdout)["costs"] == []


def test_cost_csv_writes_two_charges_of_each_try(models: Path, tmp_path: Path) -> None:
    assert "2 charges" in cost("--csv", str(tmp_path / "charges.csv")).stdout
    assert len((tmp_path / "charges.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("prices", "file", "message"),
    [("{}\n", "charges.csv", "a row of FOCUS has an amount"), (PRICES, "no/charges.csv", "cannot be written")],
)
def test_cost_csv_that_cannot_be_written_says_why(models: Path, prices: str, file: str, message: str) -> None:
    (models / "_installation.yaml").write_text(prices)
    assert message in str(cost("--csv", str(models / file)).exception)
