from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from almanac.journal.records import BatchRecord, BatchState, RunRef
from almanac.monitoring.checks.data_freshness import Ages, judge_ages, judge_batches, judge_volume
from almanac.monitoring.findings import Condition, State
from tests.monitoring.world import WEATHER, changed

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SINCE = NOW - 30 * DAY


def batch(number: int = 1, *, state: BatchState = BatchState.PUBLISHED, aside: int = 0, days: int = 3) -> BatchRecord:
    rules = {"Humidity.range": aside} if aside else {}
    return BatchRecord(
        "weather",
        f"b{number}",
        f"file{number}",
        1000,
        NOW,
        state,
        720,
        720 - aside,
        aside,
        0,
        NOW - days * DAY,
        RunRef("ingest_weather", "r"),
        broken_rules=rules,
    )


def test_judge_batches_clean_arrivals_are_fine() -> None:
    found = judge_batches(WEATHER, [batch(1), batch(2)], since=SINCE, until=NOW)
    assert found.state is State.FINE
    assert found.text.startswith(
        "0 of 2 batches were rejected (limit 20%) and 0 of 1,440 rows quarantined (0.0%, limit 5%)"
    )


def test_judge_batches_many_rows_aside_is_an_alarm_with_the_rule() -> None:
    found = judge_batches(WEATHER, [batch(1, aside=100), batch(2)], since=SINCE, until=NOW)
    assert found.state is State.ALARM
    assert found.text.endswith("most by Humidity.range (100)")


def test_judge_batches_rejected_ones_are_an_alarm() -> None:
    batches = [batch(1, state=BatchState.REJECTED), batch(2)]
    assert judge_batches(WEATHER, batches, since=SINCE, until=NOW).state is State.ALARM


def test_judge_batches_duplicates_and_older_ones_do_not_count() -> None:
    batches = [batch(1, state=BatchState.DUPLICATE), batch(2, days=31, aside=700)]
    found = judge_batches(WEATHER, batches, since=SINCE, until=NOW)
    assert found.state is State.INSUFFICIENT
    assert found.text == "no batch arrived from 2024-05-02 to 2024-06-01"


@pytest.mark.parametrize(
    ("rows", "state"),
    [([720, 720, 719, 700], State.FINE), ([720, 720, 719, 300], State.ALARM), ([7, 7, 7, 20], State.ALARM)],
)
def test_judge_volume_against_the_usual(rows: list[int], state: State) -> None:
    assert judge_volume(WEATHER, rows).state is state


def test_judge_volume_windows_without_rows_are_not_what_is_usual() -> None:
    assert judge_volume(WEATHER, [0, 0, 0, 0, 0, 720, 719, 720, 720]).state is State.FINE
    assert judge_volume(WEATHER, [720, 0, 719, 0, 720, 0]).state is State.ALARM


def test_judge_volume_few_windows_with_rows_are_insufficient() -> None:
    found = judge_volume(WEATHER, [0, 0, 0, 720, 720])
    assert (found.state, found.text[:19]) == (State.INSUFFICIENT, "2 windows with rows")


def test_judge_volume_few_windows_are_insufficient() -> None:
    assert judge_volume(WEATHER, [720, 720, 100]).state is State.INSUFFICIENT


AGES = Ages(row=NOW - 1 * DAY, label=NOW - 8 * DAY, prediction=NOW - 2 * DAY, champion=NOW - 100 * DAY)
LIMITED = changed(
    changed(WEATHER, "monitor.staleness", champion="365d", labels="7d", predictions="3d"),
    "monitor.supply",
    max_age="2d",
)


def test_judge_ages_what_is_over_its_limit_is_an_alarm_since_then() -> None:
    found = {one.subject: one for one in judge_ages(LIMITED, AGES, NOW)}
    assert {name: one.state for name, one in found.items()} == {
        "data": State.FINE,
        "labels": State.ALARM,
        "predictions": State.FINE,
        "champion": State.FINE,
    }
    assert found["labels"].since == NOW - DAY
    assert found["labels"].text == "the newest row with a label is 8.0 days old (2024-05-24 00:00 UTC), limit 1w"
    assert found["data"].condition is Condition.FRESHNESS


def test_judge_ages_nothing_scored_yet_is_insufficient() -> None:
    found = {one.subject: one.state for one in judge_ages(LIMITED, replace(AGES, prediction=None), NOW)}
    assert found["predictions"] is State.INSUFFICIENT


def test_judge_ages_without_limits_are_not_watched() -> None:
    model = changed(WEATHER, "monitor.staleness", champion=None, labels=None, predictions=None)
    assert judge_ages(changed(model, "monitor.supply", max_age=None), AGES, NOW) == ()


def test_judge_batches_without_a_row_are_insufficient_never_fine() -> None:
    empty = replace(batch(1), rows_read=0, rows_published=0)
    assert judge_batches(WEATHER, [empty], since=SINCE, until=NOW).state is State.INSUFFICIENT


def test_judge_batches_rejected_before_a_row_was_read_are_an_alarm() -> None:
    empty = replace(batch(1, state=BatchState.REJECTED), rows_read=0, rows_published=0)
    assert judge_batches(WEATHER, [empty], since=SINCE, until=NOW).state is State.ALARM


def test_judge_volume_of_windows_without_rows_is_insufficient_never_fine() -> None:
    assert judge_volume(WEATHER, [0, 0, 0, 0]).state is State.INSUFFICIENT
    assert judge_volume(WEATHER, [720, 720, 720, 0]).state is State.ALARM
