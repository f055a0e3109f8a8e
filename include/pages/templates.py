"""The one template environment of all pages, and the words in which they say times and numbers."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

# Where the server puts its navigation. A page that is read as a file has none.
NAVIGATION = "<!-- almanac:navigation -->"
_INCLUDE = Path(__file__).resolve().parents[1]


@cache
def environment() -> "Environment":
    """Everything is escaped; a name that is missing is an error. Templates are named by their path below `include/`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_INCLUDE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"when": when, "minute": minute, "day": day, "count": count}
    return environment


def render(template: str, **values: object) -> str:
    """Fill a template in."""
    return environment().get_template(template).render(**values)


def when(time: datetime) -> str:
    """A time to the minute, with its zone."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def minute(time: datetime) -> str:
    """The same where the heading says the zone."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def day(time: datetime) -> str:
    """A day in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d}"


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"
