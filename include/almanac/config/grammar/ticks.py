"""When a declared schedule ticks. Pure: the same in a test, in the loader and in the scheduler.

Summer time: what is declared by wall clock (cron with given hours; every N days, weeks, months) keeps the wall clock.
A local time that does not exist comes an hour later, and one that comes twice ticks the first time only. What is
declared by the hour or the minute (every N minutes or hours; cron whose hour is `*`) goes on in real time.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Literal
from zoneinfo import ZoneInfo

_EVERY = re.compile(r"^(\d+)\s*(mo|[mhdw])$")
_MONDAY = datetime(1970, 1, 5)  # noqa: DTZ001 - wall clock, whatever the zone
_SEARCH = timedelta(days=366 * 5)  # 29 February comes within it, but for 2100
_MONTHS = 12
_DAYS = {"m": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7, "mo": 28}

Unit = Literal["m", "h", "d", "w", "mo"]


@dataclass(frozen=True)
class Every:
    """Every so many minutes, hours, days, weeks (from Mondays) or months (from the first)."""

    number: int
    unit: Unit


@dataclass(frozen=True)
class DayTime:
    """Local times of day `[since, until)`; over midnight when `until` is the earlier one."""

    since: time
    until: time

    def holds(self, moment: time) -> bool:
        """Whether a time of day lies in it."""
        if self.since <= self.until:
            return self.since <= moment < self.until
        return moment >= self.since or moment < self.until


@dataclass(frozen=True)
class Schedule:
    """One schedule, ready to tick. `start` and `end` are wall clock of `zone`."""

    crons: tuple[str, ...]
    every: Every | None
    zone: ZoneInfo
    start: datetime | None = None
    end: datetime | None = None
    not_between: DayTime | None = None


def parse_every(text: str) -> Every:
    """Read `15m`, `2h`, `1d`, `2w` or `3mo`.

    Raises:
        ValueError: it is none of these.
    """
    match = _EVERY.match(text.strip())
    if match is None or not int(match.group(1)):
        raise ValueError(
            f"not an interval; got {text!r}, expected a number and a unit: 15m, 2h, 1d, 2w or 3mo (months)"
        )
    unit: Unit = match.group(2)  # type: ignore[assignment] # the pattern knows no others
    every = Every(int(match.group(1)), unit)
    if every.number * _DAYS[unit] > _SEARCH.days:
        raise ValueError(f"not an interval; got {text!r}, expected one of at most five years")
    return every


def parse_day_time(text: str) -> DayTime:
    """Read `07:00-19:00`.

    Raises:
        ValueError: it is no span of the day, or an empty one.
    """
    since, _, until = text.partition("-")
    try:
        span = DayTime(time.fromisoformat(since.strip()), time.fromisoformat(until.strip()))
    except ValueError as error:
        raise ValueError(f"not a time span; got {text!r}, expected for example '07:00-19:00'") from error
    if span.since == span.until:
        raise ValueError(f"an empty time span; got {text!r}, expected for example '07:00-19:00'")
    return span


def check_day_time(text: str) -> str:
    """Give back a text that `parse_day_time` can read, for the schema.

    Raises:
        ValueError: it cannot.
    """
    parse_day_time(text)
    return text


def is_within(span: str, zone: str, now: datetime) -> bool:
    """Whether `now`, aware, is within a span of the day by the clock of a zone."""
    return parse_day_time(span).holds(now.astimezone(ZoneInfo(zone)).time())


def next_tick(timing: Schedule, after: datetime) -> datetime | None:
    """The first tick later than an aware time, in UTC; None when there is none within five years."""
    start = None if timing.start is None else _utc(timing.start, timing.zone)
    if start is not None and after < start:
        after = start - timedelta(microseconds=1)
    end = None if timing.end is None else _utc(timing.end, timing.zone)
    limit = after + _SEARCH
    while True:
        found = [tick for tick in _candidates(timing, after) if tick is not None]
        tick = min(found, default=None)
        if tick is None or tick > limit or (end is not None and tick >= end):
            return None
        if timing.not_between is None or not timing.not_between.holds(tick.astimezone(timing.zone).time()):
            return tick
        after = tick


def next_of(timings: Sequence[Schedule], after: datetime) -> datetime | None:
    """The first tick of any of these schedules later than an aware time."""
    return min((tick for timing in timings if (tick := next_tick(timing, after)) is not None), default=None)


def latest_of(timings: Sequence[Schedule], after: datetime, until: datetime) -> datetime | None:
    """The last tick in `(after, until]`: after an outage one run makes up for all that were missed."""
    # Looks back step by step: a year of minutes is not counted through to find the last one.
    for days in (1 / 24, 1, 32, 366, 366 * 5):
        since = max(after, until - timedelta(days=days))
        tick = next_of(timings, since)
        if tick is not None and tick <= until:
            while (later := next_of(timings, tick)) is not None and later <= until:
                tick = later
            return tick
        if since == after:
            break
    return None


def _candidates(timing: Schedule, after: datetime) -> Iterator[datetime | None]:
    for cron in timing.crons:
        yield _next_cron(cron, timing.zone, after)
    if timing.every is not None:
        yield _next_every(timing.every, timing.start or _MONDAY, timing.zone, after)


def _next_cron(cron: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    from croniter import CroniterBadDateError, croniter

    local = after.astimezone(zone)
    ticks = croniter(cron, local.replace(tzinfo=None, fold=0), max_years_between_matches=5)
    hourly = ticks.expanded[1] == ["*"]
    while True:
        try:
            wall: datetime = ticks.get_next(datetime)
        except CroniterBadDateError:
            return None
        tick = (wall - (local.utcoffset() or timedelta())).replace(tzinfo=UTC) if hourly else _utc(wall, zone)
        # In the hour that occurs twice, what has ticked the first time lies before `after`.
        if tick > after:
            return tick


def _next_every(every: Every, anchor: datetime, zone: ZoneInfo, after: datetime) -> datetime:
    if every.unit in ("m", "h"):
        step = every.number * (timedelta(minutes=1) if every.unit == "m" else timedelta(hours=1))
        origin = _utc(anchor, zone)
        return origin + max((after - origin) // step + 1, 0) * step
    wall = after.astimezone(zone).replace(tzinfo=None)
    if every.unit == "mo":
        passed = ((wall.year - anchor.year) * _MONTHS + wall.month - anchor.month) // every.number
        walls = (_add_months(anchor, n * every.number) for n in count(max(passed - 1, 0)))
    else:
        days = timedelta(days=every.number * (7 if every.unit == "w" else 1))
        walls = (anchor + n * days for n in count(max((wall - anchor) // days - 1, 0)))
    return next(tick for each in walls if (tick := _utc(each, zone)) > after)


def _add_months(wall: datetime, months: int) -> datetime:
    year, month = divmod(wall.year * _MONTHS + wall.month - 1 + months, _MONTHS)
    return wall.replace(year=year, month=month + 1, day=min(wall.day, monthrange(year, month + 1)[1]))


def _utc(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
