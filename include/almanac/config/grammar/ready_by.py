"""`07:00 Europe/Helsinki`: a time of day by which something is to be ready, each day by the clock of its zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from almanac.config.grammar.types import check_timezone

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DailyDeadline:
    """One deadline for each day of the calendar of a zone.

    A time that occurs twice on the day on which clocks are set back means the first; one that is left out when they are
    set ahead means as long after the midnight before as if they had not been.
    """

    at: time
    zone: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M} {self.zone}"

    def on(self, day: date) -> datetime:
        """The deadline of a local day, in UTC."""
        return datetime.combine(day, self.at, self._zone).astimezone(UTC)

    def last(self, now: datetime) -> datetime:
        """The newest deadline that is not after `now`, aware; in UTC."""
        return max(one for one in self._around(now) if one <= now)

    def next(self, now: datetime) -> datetime:
        """The first deadline after `now`, aware; in UTC."""
        return min(one for one in self._around(now) if one > now)

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _around(self, now: datetime) -> list[datetime]:
        """Those of some days before and after: a zone may leave out a whole day of its calendar, as Samoa's did."""
        today = now.astimezone(self._zone).date()
        return [self.on(today + days * _DAY) for days in range(-3, 4)]


def parse_ready_by(text: str) -> DailyDeadline:
    """Read `07:00 Europe/Helsinki`; without a zone it is UTC.

    Raises:
        ValueError: it is no time of day to the minute, or no zone.
    """
    clock, _, zone = text.strip().partition(" ")
    try:
        at = datetime.strptime(clock, "%H:%M").time()  # noqa: DTZ007 - a time of day, of the zone beside it
    except ValueError:
        raise ValueError(f"not a time of day; got {text!r}, expected for example '07:00 Europe/Helsinki'") from None
    return DailyDeadline(at, check_timezone(zone.strip() or "UTC"))
