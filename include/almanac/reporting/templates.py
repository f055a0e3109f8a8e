"""The one template environment of all pages, and the words in which they say times and numbers."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from almanac.display import MAX_ERROR, shorten
from almanac.reporting.sparkline import sparkline

if TYPE_CHECKING:
    from jinja2 import Environment

# Where the server puts its navigation. A page that is read as a file has none.
NAVIGATION = "<!-- almanac:navigation -->"
_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def environment() -> "Environment":
    """Everything is escaped; a name that is missing is an error. Templates are named by their path in the package."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {
        "when": when,
        "minute": minute,
        "day": day,
        "last_day": last_day,
        "count": count,
        "size": size,
        "span": span,
        "sparkline": sparkline,
        "local": local,
    }
    return environment


def render(template: str, **values: object) -> str:
    """Fill a template in."""
    return environment().get_template(template).render(**values)


def _shown(value: object) -> object:
    """What a template writes: a text is cut and cleaned, markup that we made ourselves is not."""
    return shorten(value, MAX_ERROR) if isinstance(value, str) and not hasattr(value, "__html__") else value


def when(time: datetime) -> str:
    """A time to the minute, with its zone."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def minute(time: datetime) -> str:
    """The same where the heading says the zone."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def local(time: datetime, zone: str) -> str:
    """A time in a zone of its own, with its day of the week and the zone."""
    there = time.astimezone(ZoneInfo(zone))
    return f"{there:%a %H:%M} {zone}"


def day(time: datetime) -> str:
    """A day in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d}"


def last_day(end: datetime) -> str:
    """The last day in UTC of a window whose end is exclusive."""
    return day(end - timedelta(microseconds=1))


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def size(count: int) -> str:
    """Bytes in the largest unit of which there is one."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return f"{count} B"


def span(time: timedelta | float) -> str:
    """A length of time, or its seconds, in the unit in which people say it."""
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
