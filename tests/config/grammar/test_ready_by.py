"""One deadline for each day of a zone's calendar, also on the days on which clocks are changed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from almanac.config.grammar.ready_by import DailyDeadline, parse_ready_by

# Two that change by an hour, one by half an hour, one that left out 2011-12-30, one that never does.
ZONES = ("Europe/Helsinki", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC")
MOMENTS = st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001
CLOCKS = st.times().map(lambda one: one.replace(second=0, microsecond=0))
HELSINKI = "07:00 Europe/Helsinki"


@pytest.mark.parametrize(
    ("text", "day", "expected"),
    [
        (HELSINKI, date(2026, 3, 28), datetime(2026, 3, 28, 5, tzinfo=UTC)),
        (HELSINKI, date(2026, 3, 29), datetime(2026, 3, 29, 4, tzinfo=UTC)),  # ahead at 03:00
        (HELSINKI, date(2026, 10, 24), datetime(2026, 10, 24, 4, tzinfo=UTC)),
        (HELSINKI, date(2026, 10, 25), datetime(2026, 10, 25, 5, tzinfo=UTC)),  # back at 04:00
        ("03:30 Europe/Helsinki", date(2026, 10, 25), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # the first of two
        ("03:30 Europe/Helsinki", date(2026, 3, 29), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # left out
        ("07:00", date(2026, 1, 1), datetime(2026, 1, 1, 7, tzinfo=UTC)),
    ],
)
def test_on_follows_the_clock_of_the_zone(text: str, day: date, expected: datetime) -> None:
    assert parse_ready_by(text).on(day) == expected


@given(at=CLOCKS, zone=st.sampled_from(ZONES), now=MOMENTS)
@example(at=time(3, 30), zone="Europe/Helsinki", now=datetime(2026, 3, 29, 1, tzinfo=UTC))
@example(at=time(3, 30), zone="Europe/Helsinki", now=datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
@example(at=time(12), zone="Pacific/Apia", now=datetime(2011, 12, 30, 12, tzinfo=UTC))
def test_last_and_next_are_neighbours_around_now(at: time, zone: str, now: datetime) -> None:
    declared = DailyDeadline(at, zone)
    last, following = declared.last(now), declared.next(now)

    assert last <= now < following
    assert declared.next(last) == following
    assert declared.last(following) == following
    assert timedelta(hours=22) <= following - last <= timedelta(hours=26)
    there = following.astimezone(ZoneInfo(zone))
    left_out = datetime.combine(there.date(), at, ZoneInfo(zone))
    is_there = left_out.astimezone(UTC).astimezone(ZoneInfo(zone)).time() == at
    assert there.time() == at or not is_there


@pytest.mark.parametrize("text", ["", "7", "25:00", "07:60 UTC", "07:00:30 UTC", "soon UTC"])
def test_parse_ready_by_refuses_what_is_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError, match="not a time of day; got"):
        parse_ready_by(text)


def test_parse_ready_by_refuses_what_is_no_zone() -> None:
    with pytest.raises(ValueError, match="not a time zone; got 'Europe/Helsinky'"):
        parse_ready_by("07:00 Europe/Helsinky")


def test_parse_ready_by_reads_what_it_writes() -> None:
    assert str(parse_ready_by(" 7:05  Europe/Helsinki ")) == "07:05 Europe/Helsinki"
    assert str(parse_ready_by("07:00")) == "07:00 UTC"
