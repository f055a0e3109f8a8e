"""Types of single values in a model's YAML: durations, cron expressions, slugs."""

import re
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"^(\d+)\s*([smhdw])$")
_LONGEST = timedelta(days=36_525)  # a hundred years: before and after it there are dates
_SLUG = re.compile(r"[a-z][a-z0-9_]*")
_SLUG_LENGTH = 150  # Airflow's ids of DAGs, which hold it, have at most 250
_CRON_FIELDS = 5
_CRON_YEARS = 8  # between two days of 29 February there may be as many
_LEAP_YEAR = datetime(2000, 1, 1)  # noqa: DTZ001 - only whether there is a tick


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
    try:
        duration = timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})
    except (OverflowError, ValueError):  # more digits than a timedelta, or an int of Python, may have
        duration = timedelta.max
    if duration > _LONGEST:
        raise ValueError(f"not a duration; got {str(value)[:40]!r}, expected at most {_LONGEST.days} days")
    return duration


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
        ValueError: croniter, which Airflow's timetables use, cannot read it; it has seconds, of which a scheduler
            knows nothing; or no day of any year fits.
    """
    from croniter import CroniterBadDateError, croniter

    fields = value.split()
    if not croniter.is_valid(value) or not (len(fields) == _CRON_FIELDS or value.startswith("@")):
        more = f"{len(fields)} fields, " if len(fields) > _CRON_FIELDS else ""  # croniter's sixth field is seconds
        raise ValueError(f"not a cron expression; got {more}{value!r}, expected five fields or '@daily'")
    try:
        croniter(value, _LEAP_YEAR, max_years_between_matches=_CRON_YEARS).get_next(datetime)
    except CroniterBadDateError as error:
        raise ValueError(
            f"never ticks; got {value!r}, expected a day that exists, such as '0 3 28 2 *' for 28 February"
        ) from error
    return value


def check_slug(value: str) -> str:
    """Refuse a name that could not be a DAG id, a folder and a table at once.

    Raises:
        ValueError: it is not a lower-case slug.
    """
    if not _SLUG.fullmatch(value) or len(value) > _SLUG_LENGTH:
        raise ValueError(
            f"not a slug; got {value!r}, expected lower-case letters, digits and _, a letter first, at most"
            f" {_SLUG_LENGTH}"
        )
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
