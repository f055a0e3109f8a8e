"""A round reports restarts since the last one, a clock that was set, and for how long nobody has looked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.alerts.message import Message
from almanac.config.home import Home
from almanac.health.service_uptime import restart_messages
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.services.uptime import ServiceUptime, machine

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
BOOT = NOON - timedelta(days=3)
RUN = RunRef("alerts", "scheduled__1", 1)
FIVE_MINUTES, HOUR = timedelta(minutes=5), timedelta(hours=1)

Round = Callable[..., list[str]]


@pytest.fixture
def make_a_round(tmp_path: Path) -> Round:
    """Make one at a time of the day; of what is told, the subjects."""
    journal = Journal(Home(home=tmp_path).journal_url)

    def attend(
        now: datetime, *found: ServiceUptime, boot: datetime | None = BOOT, name: str = "machine a"
    ) -> list[str]:
        host = None if boot is None else ServiceUptime(name, boot)
        messages: dict[str, Message] = restart_messages(journal, found, host, RUN, now)
        return [message.subject for message in messages.values()]

    return attend


def test_first_round_reports_nothing(make_a_round):
    assert make_a_round(NOON, ServiceUptime("redis", BOOT)) == []


def test_what_begins_again_is_reported_once_and_what_is_away_when_it_is_back(make_a_round):
    worker, scheduler = ServiceUptime("celery@one", BOOT), ServiceUptime("scheduler@one", BOOT)
    make_a_round(NOON, worker, scheduler)

    again = ServiceUptime("celery@one", NOON + timedelta(minutes=1))
    assert make_a_round(NOON + FIVE_MINUTES, scheduler) == []
    assert make_a_round(NOON + 2 * FIVE_MINUTES, again, scheduler) == ["celery@one was restarted"]
    assert make_a_round(NOON + 3 * FIVE_MINUTES, again, scheduler) == []


def test_age_in_whole_seconds_is_no_new_beginning(make_a_round):
    make_a_round(NOON, ServiceUptime("redis", BOOT))
    assert make_a_round(NOON + FIVE_MINUTES, ServiceUptime("redis", BOOT + timedelta(seconds=1))) == []


def test_clock_set_ahead_is_reported_and_nobody_was_silent(make_a_round):
    make_a_round(NOON)
    later = NOON + HOUR + FIVE_MINUTES
    assert make_a_round(later, boot=BOOT + HOUR) == ["the clock of the machine was set ahead by 60 min"]
    assert make_a_round(later + FIVE_MINUTES, boot=BOOT + HOUR) == []


def test_clock_set_back_is_reported_after_the_hour_in_which_no_round_was_due(make_a_round):
    make_a_round(NOON)  # then set back; rounds wait until it is past noon again
    assert make_a_round(NOON + FIVE_MINUTES, boot=BOOT - HOUR) == [
        "the clock of the machine was set back by 60 min",
        "the DAG alerts has not run for a long time",
    ]


def test_clock_set_back_is_reported_by_a_round_within_that_hour(make_a_round):
    make_a_round(NOON)
    assert make_a_round(NOON - HOUR + FIVE_MINUTES, boot=BOOT - HOUR) == [
        "the clock of the machine was set back by 60 min"
    ]


def test_clock_that_ntp_corrects_and_rounds_of_another_machine_are_not_reported(make_a_round):
    make_a_round(NOON)
    assert make_a_round(NOON + FIVE_MINUTES, boot=BOOT + timedelta(seconds=20)) == []
    assert make_a_round(NOON + 2 * FIVE_MINUTES, boot=BOOT - HOUR, name="machine b") == []
    assert make_a_round(NOON + 3 * FIVE_MINUTES, boot=BOOT + timedelta(seconds=20)) == []


def test_rounds_that_nobody_made_are_reported_even_where_the_machine_does_not_say_its_boot(make_a_round):
    make_a_round(NOON, boot=None)
    assert make_a_round(NOON + timedelta(minutes=29), boot=None) == []
    assert make_a_round(NOON + HOUR, boot=None) == ["the DAG alerts has not run for a long time"]
    assert make_a_round(NOON, boot=None) == ["the DAG alerts has not run for a long time"]


def test_machine_keeps_its_boot_while_its_clock_runs_and_moves_it_when_it_is_set():
    now = datetime.now(UTC)
    first, second, ahead = machine(now), machine(datetime.now(UTC)), machine(now + HOUR)
    if first is None or second is None or ahead is None:
        pytest.skip("not Linux")
    assert first.name == second.name == ahead.name
    assert abs(second.began - first.began) < timedelta(seconds=1)
    assert abs(ahead.began - first.began - HOUR) < timedelta(seconds=1)
