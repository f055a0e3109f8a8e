"""The two timetables, as Airflow's scheduler asks them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
import pytest
from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DataInterval, TimeRestriction

from almanac.config.sections.triggers import ScheduleTrigger, WindowTrigger
from almanac_airflow.timetables import DeclaredSchedule, TumblingWindows

FREE = TimeRestriction(earliest=None, latest=None, catchup=False)
START = datetime(2026, 1, 1, tzinfo=UTC)


def schedule(**fields: Any) -> DeclaredSchedule:
    return DeclaredSchedule([ScheduleTrigger.model_validate({"kind": "schedule", **fields})])


def windows(**fields: Any) -> TumblingWindows:
    return TumblingWindows(WindowTrigger.model_validate({"kind": "window", "size": "1d", "start": START, **fields}))


@contextmanager
def at(now: datetime) -> Iterator[None]:
    """Let the timetables' clock stand still."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("almanac_airflow.timetables._now", lambda: now)
        yield


def run_after(timetable: DeclaredSchedule, now: datetime, last: datetime | None) -> datetime:
    interval = None if last is None else DataInterval.exact(pendulum.instance(last))
    with at(now):
        info = timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=FREE)
    assert info is not None
    return info.run_after


def test_declared_schedule_new_dag_waits_for_its_next_tick() -> None:
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    timetable = schedule(cron="0 6 * * *", timezone="Europe/Helsinki")
    assert run_after(timetable, now, None) == datetime(2026, 3, 29, 3, tzinfo=UTC)  # summer time has begun


def test_declared_schedule_after_an_outage_runs_once_for_the_last_missed_tick() -> None:
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    last = datetime(2026, 3, 1, 6, tzinfo=UTC)
    missed = run_after(schedule(cron="0 6 * * *"), now, last)
    assert missed == datetime(2026, 3, 28, 6, tzinfo=UTC)
    assert run_after(schedule(cron="0 6 * * *"), now, missed) == datetime(2026, 3, 29, 6, tzinfo=UTC)


def test_timetables_survive_serialization() -> None:
    declared = schedule(cron=["0 6 * * *", "0 18 * * *"], not_between="07:00-12:00", start="2026-01-01")
    assert DeclaredSchedule.deserialize(declared.serialize()).schedules == declared.schedules
    assert TumblingWindows.deserialize(windows(delay="2h").serialize()).trigger == windows(delay="2h").trigger


def test_tumbling_windows_run_when_they_close_one_after_the_other() -> None:
    timetable = windows(delay="2h")
    first = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=FREE)
    assert first is not None
    assert (first.partition_key, first.run_after) == ("2026-01-01T00:00:00", START + timedelta(days=1, hours=2))
    second = timetable.next_dagrun_info_v2(last_dagrun_info=first, restriction=FREE)
    assert second is not None
    assert second.partition_key == "2026-01-02T00:00:00"


def test_tumbling_windows_backfill_takes_closed_windows_of_the_range() -> None:
    with at(START + timedelta(days=3, hours=1)):
        found = list(windows(delay="2h").iter_partition_dagrun_infos(earliest=START, latest=START + timedelta(days=9)))
    assert [info.partition_key for info in found] == ["2026-01-01T00:00:00", "2026-01-02T00:00:00"]


def test_tumbling_windows_key_by_hand_must_be_the_start_of_a_window() -> None:
    assert windows().resolve_partition_date("2026-01-05T00:00:00") == START + timedelta(days=4)
    with pytest.raises(InvalidPartitionKeyError, match="expected the start of a window"):
        windows().resolve_partition_date("2026-01-05T01:00:00")
