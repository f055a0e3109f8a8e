"""What Prometheus reads: gauges of the newest records, and counters that outlive the rows that they counted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from almanac.config.sections.costs import Prices
from almanac.control.metrics import MOST_GATES, SEVERITIES, render_metrics
from almanac.control.model_summary import summarize
from almanac.costs.ledger import GIB, record_usage
from almanac.journal.journal import Journal
from almanac.journal.records import (
    AliasMove,
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DrillRecord,
    RunRef,
    SnapshotRecord,
    TaskUsage,
)
from tests.monitoring.world import WEATHER, changed

NOW = datetime(2026, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
TRAIN, OTHER_RUN = RunRef("train_weather", "made_1"), RunRef("train_weather", "made_2")
METRIC = WEATHER.gates.baselines.metric


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def batch(number: int, state: BatchState = BatchState.PUBLISHED, *, bad: int = 0) -> BatchRecord:
    at = NOW - 5 * DAY + number * timedelta(hours=1)
    good = 10 if state is BatchState.PUBLISHED else 0
    version = number if good else None
    return BatchRecord(
        model="weather",
        batch_id=f"{number:064x}",
        uri=f"/landing/{number}.csv",
        size_bytes=1,
        modified_at=at,
        state=state,
        rows_read=good + bad,
        rows_published=good,
        rows_quarantined=bad,
        rows_dropped=0,
        recorded_at=at,
        run=TRAIN,
        dataset_version=version,
        window_start=at - DAY,
        window_end=at,
    )


def gates(journal: Journal, *reasons: str, accepted: bool = False, run: RunRef = TRAIN, **figures: float) -> None:
    journal.record_decision(
        Decision("weather", DecisionKind.GATES, accepted, reasons, NOW - DAY, run, run.run_id, figures)
    )


def move(journal: Journal, alias: str, version: str, run: RunRef, *, at: datetime = NOW - 2 * DAY) -> None:
    journal.record_alias_move(AliasMove("weather", alias, "", version, "why", at, run))


def samples(journal: Journal, **options: Any) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric -> its values by the values of their labels, in the order of the labels' names."""
    text = render_metrics([WEATHER], journal, NOW, **options)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_batches_are_counted_by_state_and_rows_by_what_became_of_them(journal: Journal) -> None:
    journal.record_batch(batch(1, bad=3))
    journal.record_batch(batch(2))
    journal.record_batch(batch(3, BatchState.REJECTED))

    found = samples(journal)
    assert found["almanac_batches_total"][("weather", "published")] == 2
    assert found["almanac_batches_total"][("weather", "rejected")] == 1
    assert found["almanac_batches_total"][("weather", "duplicate")] == 0
    assert found["almanac_quarantined_rows_total"] == {("weather",): 3}
    assert found["almanac_published_rows_total"] == {("weather",): 20}


def test_batch_that_is_recorded_again_is_counted_once(journal: Journal) -> None:
    for _ in range(3):
        journal.record_batch(batch(1, bad=3))

    found = samples(journal)
    assert found["almanac_batches_total"][("weather", "published")] == 1
    assert found["almanac_quarantined_rows_total"] == {("weather",): 3}


def test_batch_that_ends_otherwise_the_second_time_counts_for_both(journal: Journal) -> None:
    journal.record_batch(batch(1, BatchState.REJECTED))
    journal.record_batch(batch(1))

    found = samples(journal)["almanac_batches_total"]
    assert found["weather", "rejected"] == 1
    assert found["weather", "published"] == 1


def test_counter_stays_when_its_rows_are_deleted(journal: Journal) -> None:
    journal.record_batch(batch(1, bad=3))
    journal.forget_batches("weather", [batch(1).batch_id])

    found = samples(journal)
    assert found["almanac_batches_total"][("weather", "published")] == 1
    assert found["almanac_quarantined_rows_total"] == {("weather",): 3}


def test_refusals_are_counted_by_gate_without_the_names_in_brackets(journal: Journal) -> None:
    gates(journal, "segments[winter]: worse", "segments[a: b]: worse", "leak[x]: it knows the label", "no gate at all")
    gates(journal, "leak[y]: it knows", run=OTHER_RUN)
    gates(journal, "champion[f1]: fine", accepted=True)

    assert samples(journal)["almanac_gate_refusals_total"] == {
        ("leak", "weather"): 2,
        ("segments", "weather"): 1,
        ("other", "weather"): 1,
    }


def test_gates_beyond_the_bound_are_one_label(journal: Journal) -> None:
    names = [f"gate_{first}{second}" for first in "abcdefgh" for second in "abcdefgh"]
    for name in names:
        gates(journal, f"{name}: worse")

    found = samples(journal)["almanac_gate_refusals_total"]
    assert len(found) == MOST_GATES + 1
    assert found["other", "weather"] == len(names) - MOST_GATES


def test_verdicts_of_the_monitor_are_counted_and_there_before_the_first(journal: Journal) -> None:
    assert samples(journal)["almanac_retrain_requests_total"] == {("accepted", "weather"): 0, ("refused", "weather"): 0}
    figures = {"drifted_columns": 2.0, f"performance.{WEATHER.monitor.performance.metric}": 0.8}
    journal.record_decision(
        Decision("weather", DecisionKind.RETRAIN_REQUEST, True, ("drifted",), NOW, TRAIN, "v1", figures)
    )

    found = samples(journal)
    assert found["almanac_retrain_requests_total"] == {("accepted", "weather"): 1, ("refused", "weather"): 0}
    assert found["almanac_drift_features"] == {("weather",): 2}
    assert found["almanac_monitored_metric"] == {("weather",): 0.8}


def test_champion_has_the_figure_of_the_run_that_registered_it(journal: Journal) -> None:
    key = f"baselines[{METRIC}]"
    gates(journal, "all: good", accepted=True, run=TRAIN, **{key: 0.9, f"{key}.baseline": 0.7})
    move(journal, "challenger", "1", TRAIN)
    move(journal, "champion", "1", RunRef("promote_weather", "promoted"))
    gates(journal, "leak[x]: it knows", run=OTHER_RUN, **{key: 0.99, f"{key}.baseline": 0.7})

    found = samples(journal)
    assert found["almanac_champion_metric"] == {(METRIC, "weather"): 0.9}
    assert found["almanac_baseline_metric"] == {(METRIC, "weather"): 0.7}
    assert found["almanac_model_age_seconds"] == {("weather",): 2 * 86_400}
    assert found["almanac_model_version"][("champion", "weather")] == 1


def test_champion_of_long_ago_still_has_its_figure(journal: Journal) -> None:
    key = f"baselines[{METRIC}]"
    gates(journal, "all: good", accepted=True, run=TRAIN, **{key: 0.9})
    move(journal, "challenger", "1", TRAIN)
    move(journal, "champion", "1", TRAIN)
    for number in range(30):
        gates(journal, "leak[x]: it knows", run=RunRef("train_weather", f"later_{number}"), **{key: 0.99})

    assert samples(journal)["almanac_champion_metric"] == {(METRIC, "weather"): 0.9}


def test_alias_that_was_taken_away_has_no_version(journal: Journal) -> None:
    move(journal, "challenger", "1", TRAIN)
    move(journal, "challenger", "", TRAIN)

    assert "almanac_model_version" not in samples(journal)


def test_freshness_is_of_the_newest_row_whichever_batch_came_last(journal: Journal) -> None:
    journal.record_batch(batch(5))
    old = batch(6)
    journal.record_batch(BatchRecord(**{**old.__dict__, "window_end": NOW - 40 * DAY}))

    newest_row = batch(5).window_end
    assert newest_row is not None
    assert samples(journal)["almanac_dataset_freshness_seconds"] == {("weather",): (NOW - newest_row).total_seconds()}


def test_declared_age_of_data_is_a_metric_of_its_own(journal: Journal) -> None:
    limited = changed(WEATHER, "monitor.supply", max_age=timedelta(hours=3))
    text = render_metrics([limited], journal, NOW)
    assert 'almanac_dataset_max_age_seconds{model="weather"} 10800.0' in text


def test_backups_and_drills_have_ages_by_model_and_of_the_installation(journal: Journal) -> None:
    for subject, days in {"dataset/weather": 1, "group/all": 2, "model/other": 9}.items():
        journal.record_snapshot(SnapshotRecord("place", subject, "name", NOW - days * DAY, 1, 1, 1, TRAIN))
        drill = DrillRecord("place", subject, "name", 1, True, False, (), NOW - days * DAY, 7.0 * days, 1.0, TRAIN)
        journal.record_drill(drill)

    found = samples(journal)
    assert found["almanac_backup_age_seconds"] == {("weather", "dataset"): 86_400}
    assert found["almanac_drill_age_seconds"] == {("weather", "dataset"): 86_400}
    assert found["almanac_installation_backup_age_seconds"] == {("group/all",): 2 * 86_400}
    assert found["almanac_drill_restore_seconds"] == {("dataset",): 7, ("group",): 14, ("model",): 63}


def test_reader_of_models_alone_sees_nothing_of_the_installation(journal: Journal) -> None:
    journal.record_snapshot(SnapshotRecord("place", "group/all", "name", NOW, 1, 1, 1, TRAIN))
    assert not any("installation" in name for name in samples(journal, with_installation=False))


def test_totals_of_other_models_are_not_shown(journal: Journal) -> None:
    journal.record_decision(Decision("secret", DecisionKind.GATES, False, ("leak: x",), NOW, TRAIN))
    assert "secret" not in render_metrics([WEATHER], journal, NOW)


def test_hostile_name_of_a_gate_is_no_label(journal: Journal) -> None:
    gates(journal, '"} evil 1\nevil_metric 1: x')
    assert "evil" not in render_metrics([WEATHER], journal, NOW)


def test_figure_that_the_journal_lacks_is_absent_not_zero(journal: Journal) -> None:
    found = samples(journal)
    assert {
        "almanac_champion_metric",
        "almanac_model_age_seconds",
        "almanac_backup_age_seconds",
    } & found.keys() == set()
    assert found["almanac_alerts_open"] == {("weather", severity): 0 for severity in SEVERITIES}


def test_cost_is_cpu_and_memory_at_the_declared_prices_and_absent_without(journal: Journal) -> None:
    for model in ("weather", "unseen"):
        record_usage(
            journal, TaskUsage(model, "train", "t", -1, "success", "", "", NOW, 3600.0, 1800.0, 2 * GIB, TRAIN)
        )
    prices = Prices(currency="EUR", cpu_hour=0.5, gib_hour=0.1)
    assert samples(journal, prices=prices)["almanac_cost_total"] == {("EUR", "weather", "train"): pytest.approx(0.45)}
    without = samples(journal)
    assert "almanac_cost_total" not in without
    assert without["almanac_task_cpu_seconds_total"] == {("weather", "train"): 1800.0}


def test_summary_has_the_cost_of_this_month_alone(journal: Journal) -> None:
    for at in (NOW, NOW - 40 * DAY):
        record_usage(journal, TaskUsage("weather", "train", "t", -1, "success", "", "", at, 1.0, 3600.0, 0, TRAIN))
    (one,) = summarize([WEATHER], journal, NOW, Prices(currency="EUR", cpu_hour=0.5))
    assert (one.cpu_hours_this_month, one.cost_this_month, one.currency) == (1.0, 0.5, "EUR")
    (unpriced,) = summarize([WEATHER], journal, NOW)
    assert (unpriced.cpu_hours_this_month, unpriced.cost_this_month) == (1.0, None)
