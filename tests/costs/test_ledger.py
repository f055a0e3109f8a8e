"""The ledger adds up by model, pipeline, version and month; sums of months outlive their rows."""

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import delete

from almanac.config.sections.costs import Prices
from almanac.costs.amounts import cost_of, dearest_first
from almanac.costs.focus import COLUMNS, write_focus
from almanac.costs.ledger import GIB, Ledger, Used, record_usage
from almanac.journal import tables, totals
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef, TaskUsage
from almanac.journal.totals import Total

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RUN = RunRef("train_weather", "one")
TRIED = TaskUsage("weather", "train", "train", -1, "success", "", "heavy", NOW, 3600.0, 1800.0, 2 * GIB, RUN)
PRICES = Prices(currency="EUR", cpu_hour=0.5, gib_hour=0.1, watts_per_cpu=10.0)
MONTH = NOW.replace(day=1, hour=0)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def record(journal: Journal, *tries: TaskUsage) -> Ledger:
    for one in tries:
        record_usage(journal, one)
    return Ledger(journal)


def test_by_adds_up_tries_since_a_time_and_no_older_ones(journal: Journal) -> None:
    retried, other = replace(TRIED, run=replace(RUN, try_number=2)), replace(TRIED, model="bikes", cpu_s=1.0)
    ledger = record(journal, TRIED, retried, other, replace(TRIED, ended_at=MONTH - timedelta(seconds=1)))
    assert ledger.by("model", MONTH) == [
        Used("bikes", 1, 3600.0, 1.0, 7200.0),
        Used("weather", 2, 7200.0, 3600.0, 14400.0),
    ]
    assert [one.name for one in ledger.by("pipeline", MONTH)] == ["train"]


def test_by_version_counts_all_tasks_of_the_run_that_registered_it(journal: Journal) -> None:
    registered = replace(TRIED, task_id="register", version="3", cpu_s=0.5)
    ledger = record(journal, TRIED, registered, replace(TRIED, run=replace(RUN, run_id="two")))
    (found,) = ledger.by_version(MONTH)
    assert (found.name, found.tasks, found.cpu_s) == ("weather@3", 2, 1800.5)


def test_refused_trainings_are_the_runs_whose_gates_refused(journal: Journal) -> None:
    accepted = replace(RUN, run_id="two")
    for run, verdict in ((RUN, False), (accepted, True)):
        journal.record_decision(Decision("weather", DecisionKind.GATES, verdict, ("why",), NOW, run, "m"))
    ledger = record(journal, TRIED, replace(TRIED, run=accepted, cpu_s=7.0))
    assert [(one.name, one.cpu_s) for one in ledger.refused_trainings(MONTH)] == [("weather", 1800.0)]


def test_months_and_totals_stay_when_rows_are_deleted(journal: Journal) -> None:
    ledger = record(journal, replace(TRIED, ended_at=MONTH - timedelta(days=1)), TRIED, TRIED)
    with journal.transaction() as connection:
        connection.execute(delete(tables.ledger))
        found = dict(totals.read(connection))
    assert [(one.name, one.tasks) for one in ledger.by_month()] == [("2026-10", 1), ("2026-11", 2)]
    assert ledger.by_month("2026-11", model="bikes") == []
    assert ledger.of_month("2026-11")["weather"].cpu_s == 3600.0
    assert found[Total("task_cpu_seconds", "weather", "train")] == 5400.0
    assert ledger.oldest() is None


def test_cost_of_multiplies_hours_by_prices() -> None:
    cost = cost_of(Used("weather", 1, 3600.0, 1800.0, 7200.0), PRICES)
    assert (cost.cpu_hours, cost.memory_gib_hours) == (0.5, 2.0)
    assert cost.amount == pytest.approx(0.5 * 0.5 + 2.0 * 0.1)
    assert cost.energy_kwh == pytest.approx(0.5 * 10 / 1000)
    assert cost_of(Used("weather", 1, 0, 1, 1), None).amount is None


def test_dearest_first_puts_the_largest_amount_first() -> None:
    found = dearest_first([Used("a", 1, 1, 1, 1), Used("b", 1, 1, 9, 1)], PRICES)
    assert [one.name for one in found] == ["b", "a"]


def test_write_focus_gives_cpu_and_memory_of_each_try(journal: Journal) -> None:
    ledger, file = record(journal, replace(TRIED, run=replace(RUN, run_id="=cmd()"))), StringIO(newline="")
    assert write_focus(ledger.rows(MONTH), PRICES, file) == 2
    rows = list(csv.DictReader(StringIO(file.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert sum(float(row["BilledCost"]) for row in rows) == pytest.approx(0.45)
    assert {row["BillingPeriodEnd"] for row in rows} == {"2026-12-01T00:00:00Z"}
    assert {row["ChargePeriodStart"] for row in rows} == {"2026-11-30T11:00:00Z"}
    assert {row["x_RunId"] for row in rows} == {"'=cmd()"}  # no spreadsheet takes it for a formula
