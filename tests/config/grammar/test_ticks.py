"""When schedules tick, in Helsinki's summer time too.

The clock changes there on 2026-03-29 at 03:00 (to 04:00) and on 2026-10-25 at 04:00 (back to 03:00); source: directive
2000/84/EC, last Sunday of March and October, 01:00 UTC.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from almanac.config.grammar.ticks import Schedule, latest_of, next_tick, parse_day_time, parse_every

HELSINKI = ZoneInfo("Europe/Helsinki")


def timing(*crons: str, every: str | None = None, zone: str = "Europe/Helsinki", **more: object) -> Schedule:
    span = more.pop("not_between", None)
    return Schedule(
        crons=crons,
        every=None if every is None else parse_every(every),
        zone=ZoneInfo(zone),
        not_between=None if span is None else parse_day_time(str(span)),
        **more,  # type: ignore[arg-type]
    )


def ticks(schedule: Schedule, after: datetime, number: int) -> list[datetime]:
    found: list[datetime] = []
    for _ in range(number):
        tick = next_tick(schedule, after)
        assert tick is not None
        assert tick > after
        found.append(tick)
        after = tick
    return found


def local(tick: datetime) -> str:
    return tick.astimezone(HELSINKI).strftime("%m-%d %H:%M %Z")


def helsinki(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=HELSINKI)


def test_next_tick_daily_cron_keeps_the_wall_clock_in_spring() -> None:
    assert [local(t) for t in ticks(timing("0 6 * * *"), helsinki("2026-03-27 12:00"), 3)] == [
        "03-28 06:00 EET",
        "03-29 06:00 EEST",
        "03-30 06:00 EEST",
    ]


def test_next_tick_daily_cron_keeps_the_wall_clock_in_autumn() -> None:
    assert [local(t) for t in ticks(timing("0 6 * * *"), helsinki("2026-10-23 12:00"), 3)] == [
        "10-24 06:00 EEST",
        "10-25 06:00 EET",
        "10-26 06:00 EET",
    ]


@pytest.mark.parametrize("schedule", [timing("30 3 * * *"), timing(every="1d", start=datetime(2026, 1, 1, 3, 30))])  # noqa: DTZ001
def test_next_tick_hour_that_does_not_exist_comes_an_hour_later(schedule: Schedule) -> None:
    assert [local(t) for t in ticks(schedule, helsinki("2026-03-28 00:00"), 3)] == [
        "03-28 03:30 EET",
        "03-29 04:30 EEST",
        "03-30 03:30 EEST",
    ]


@pytest.mark.parametrize("schedule", [timing("30 3 * * *"), timing(every="1d", start=datetime(2026, 1, 1, 3, 30))])  # noqa: DTZ001
def test_next_tick_hour_that_comes_twice_ticks_once(schedule: Schedule) -> None:
    assert [local(t) for t in ticks(schedule, helsinki("2026-10-24 12:00"), 2)] == [
        "10-25 03:30 EEST",
        "10-26 03:30 EET",
    ]


@pytest.mark.parametrize("schedule", [timing("0 * * * *"), timing(every="1h")])
@pytest.mark.parametrize("day", ["2026-03-28 22:30", "2026-10-24 22:30"])
def test_next_tick_hourly_goes_on_in_real_time_over_both_changes(schedule: Schedule, day: str) -> None:
    found = ticks(schedule, helsinki(day), 12)
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


def test_next_tick_several_crons_tick_in_turn() -> None:
    found = ticks(timing("0 6 * * *", "30 14 * * *", zone="UTC"), datetime(2026, 1, 1, tzinfo=UTC), 3)
    assert [f"{t:%d %H:%M}" for t in found] == ["01 06:00", "01 14:30", "02 06:00"]


def test_next_tick_every_three_weeks_counts_from_its_start() -> None:
    schedule = timing(every="3w", start=datetime(2026, 1, 7, 9))  # noqa: DTZ001
    assert [local(t) for t in ticks(schedule, helsinki("2026-03-01 00:00"), 2)] == [
        "03-11 09:00 EET",
        "04-01 09:00 EEST",
    ]


def test_next_tick_every_month_from_the_31st_takes_the_month_s_last_day() -> None:
    schedule = timing(every="1mo", zone="UTC", start=datetime(2026, 1, 31))  # noqa: DTZ001
    found = ticks(schedule, datetime(2026, 1, 1, tzinfo=UTC), 4)
    assert [f"{t:%m-%d}" for t in found] == ["01-31", "02-28", "03-31", "04-30"]


def test_next_tick_not_between_leaves_the_working_day_out() -> None:
    found = ticks(timing("0 */6 * * *", not_between="07:00-19:00"), helsinki("2026-03-28 20:00"), 4)
    assert [local(t) for t in found] == ["03-29 00:00 EET", "03-29 06:00 EEST", "03-30 00:00 EEST", "03-30 06:00 EEST"]


def test_next_tick_not_between_over_midnight() -> None:
    found = ticks(timing("0 */6 * * *", zone="UTC", not_between="22:00-07:00"), datetime(2026, 1, 1, tzinfo=UTC), 3)
    assert [f"{t:%d %H}" for t in found] == ["01 12", "01 18", "02 12"]


def test_next_tick_start_is_the_first_and_end_is_left_out() -> None:
    schedule = timing("0 0 * * *", zone="UTC", start=datetime(2026, 1, 2), end=datetime(2026, 1, 4))  # noqa: DTZ001
    found = ticks(schedule, datetime(2025, 1, 1, tzinfo=UTC), 2)
    assert [f"{t:%m-%d}" for t in found] == ["01-02", "01-03"]
    assert next_tick(schedule, found[-1]) is None


def test_next_tick_leap_day_is_found_and_impossible_date_is_none() -> None:
    assert next_tick(timing("0 0 29 2 *", zone="UTC"), datetime(2026, 1, 1, tzinfo=UTC)) == datetime(
        2028, 2, 29, tzinfo=UTC
    )
    assert next_tick(timing("0 0 31 2 *", zone="UTC"), datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_latest_of_after_an_outage_is_the_last_missed_tick() -> None:
    schedules = [timing("0 6 * * *", zone="UTC"), timing("0 3 * * 1", zone="UTC")]
    after, now = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 2, 5, tzinfo=UTC)
    assert latest_of(schedules, after, now) == datetime(2026, 6, 1, 6, tzinfo=UTC)
    assert latest_of(schedules, datetime(2026, 6, 1, 6, tzinfo=UTC), now) is None


@pytest.mark.parametrize("text", ["1y", "0h", "h", "1.5h", "-1d"])
def test_parse_every_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an interval"):
        parse_every(text)


@pytest.mark.parametrize("text", ["7-19", "07:00", "07:00-07:00", "night"])
def test_parse_day_time_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time span"):
        parse_day_time(text)


@pytest.mark.parametrize("text", ["99999999999d", "70mo", "3000d", "99999999999999999999m"])
def test_parse_every_longer_than_a_search_for_ticks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one of at most five years"):
        parse_every(text)
