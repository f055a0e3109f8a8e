"""Transitions of rollouts: written once each, whoever writes."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts

AT = datetime(2026, 11, 30, tzinfo=UTC)
FIRST = RolloutTransition(
    "weather", 1, 0, "5", "4", RolloutState.WAITING, 0, 0.0, 0, "passed", AT, RunRef("a", "r"), {"rows": 1.0}
)


@pytest.fixture
def rollouts(tmp_path: Path) -> Rollouts:
    return Rollouts(Journal(f"sqlite:///{tmp_path}/journal.db"))


def test_record_is_read_as_it_was_written(rollouts: Rollouts) -> None:
    assert rollouts.newest("weather") is None
    assert rollouts.record(FIRST)
    assert rollouts.newest("weather") == FIRST
    assert rollouts.newest("other") is None


def test_record_of_two_processes_in_one_place_writes_one(rollouts: Rollouts) -> None:
    rollouts.record(FIRST)
    assert rollouts.record(replace(FIRST, number=1, state=RolloutState.STEP))
    assert not rollouts.record(replace(FIRST, number=1, state=RolloutState.PAUSED))
    assert [one.state for one in rollouts.all("weather")] == [RolloutState.STEP, RolloutState.WAITING]


def test_newest_is_of_the_newest_rollout(rollouts: Rollouts) -> None:
    for one in (FIRST, replace(FIRST, number=7), replace(FIRST, ordinal=2, version="6")):
        rollouts.record(one)
    newest = rollouts.newest("weather")
    assert newest is not None
    assert (newest.ordinal, newest.number) == (2, 0)
    assert len(rollouts.all("weather", ordinal=1)) == len(rollouts.all("weather", version="5")) == 2
