"""Types of single values in a model's YAML: durations, cron expressions, slugs."""

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"^(\d+)\s*([smhdw])$")
_SLUG = re.compile(r"^[a-z][a-z0-9_]*$")


def parse_duration(value: object) -> timedelta:
    """Read `90s`, `15m`, `4h`, `30d` or `2w`.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(str(value).strip())
    if match is None:
        raise ValueError(f"not a duration; got {value!r}, expected a number and a unit: 90s, 15m, 4h, 30d or 2w")
    return timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})


def format_duration(value: timedelta) -> str:
    """Write a duration as `parse_duration` reads it, in the largest unit that divides it."""
    seconds = int(value.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def check_cron(value: str) -> str:
    """Refuse what is not a cron expression.

    Raises:
        ValueError: croniter, which Airflow's timetables use, cannot read it.
    """
    from croniter import croniter

    if not croniter.is_valid(value):
        raise ValueError(f"not a cron expression; got {value!r}, expected five fields or '@daily'")
    return value


def check_slug(value: str) -> str:
    """Refuse a name that could not be a DAG id, a folder and a table at once.

    Raises:
        ValueError: it is not a lower-case slug.
    """
    if not _SLUG.match(value):
        raise ValueError(f"not a slug; got {value!r}, expected lower-case letters, digits and _, a letter first")
    return value


def check_timezone(name: str) -> str:
    """Refuse what is no time zone.

    Raises:
        ValueError: it is none.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"not a time zone; got {name!r}, expected such as Europe/Helsinki") from error
    return name


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
Cron = Annotated[str, AfterValidator(check_cron)]
Slug = Annotated[str, AfterValidator(check_slug)]
