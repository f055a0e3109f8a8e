"""Lands made-up files for the shipped model: what a port would have sent until now, each file once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.errors import ConfigError
from almanac.journal.journal import Journal
from almanac.storage.files import copy_file, exists

MODEL = "weather"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class SampleFile:
    """One file of hours that follow each other: [start, end), in UTC."""

    name: str
    start: datetime
    end: datetime

    @property
    def hours(self) -> int:
        """How many rows it has."""
        return (self.end - self.start) // timedelta(hours=1)


def land_sample(
    home: Home, journal: Journal, *, months: int, now: datetime, report: Callable[[str], None]
) -> list[SampleFile]:
    """Land the hours of so many whole months before this one, a file each, and of the whole days since, a file each.

    A file that landed before is not landed again, whatever has become of it since: called each day, it lands a day.

    Args:
        home: where the landing area is; it may be an object store.
        journal: knows which files were taken.
        months: how many, 1 or more.
        now: aware.
        report: is told of each file.

    Returns:
        The files that were landed, in the order of time.

    Raises:
        ConfigError: the model is not declared, or its YAML is not the one that the project ships.
        TransientError: the landing area or the journal is unreachable.
    """
    from almanac.sample.weather_files import write_csv
    from almanac.sample.weather_generator import COLUMNS, generate_hours

    columns = find_model(home.models, MODEL).dataset.columns
    if missing := sorted(set(columns) - set(COLUMNS)):
        raise ConfigError(
            f"{home.models / MODEL}.yaml: the sample has no columns {missing}; got a declaration of other data,"
            f" expected the one that Almanac ships, with {', '.join(COLUMNS)}"
        )
    landing = home.landing_of(MODEL)
    landed = []
    with TemporaryDirectory() as folder:
        for file in _wanted(landing, journal, months, now):
            path = write_csv(generate_hours(file.start, file.hours), Path(folder, file.name))
            copy_file(path, f"{landing}/{file.name}")
            report(f"{file.name}: {file.hours} hours")
            landed.append(file)
    return landed


def _wanted(landing: str, journal: Journal, months: int, now: datetime) -> Iterator[SampleFile]:
    """The files that have not landed yet; a month that has landed by days goes on by days."""
    for start in _months(months, now):
        days, month = _days(start, now), SampleFile(f"weather_{start:%Y-%m}.csv", start, _next_month(start))
        uris = {f"{landing}/{file.name}": file for file in (month, *days)}
        known = {uris[uri] for uri in journal.arrivals(MODEL, list(uris))}
        known |= {file for uri, file in uris.items() if file not in known and exists(uri)}
        if month in known:
            continue
        if month.end <= now and not known:
            yield month
        else:
            yield from (day for day in days if day not in known)


def _months(count: int, now: datetime) -> list[datetime]:
    """The first instants of this month and of so many before it."""
    utc = now.astimezone(UTC)
    numbers = range(utc.year * 12 + utc.month - 1 - count, utc.year * 12 + utc.month)
    return [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers]


def _next_month(start: datetime) -> datetime:
    return datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)


def _days(start: datetime, now: datetime) -> list[SampleFile]:
    """The days of a month that are over."""
    starts = [start + number * _DAY for number in range((min(_next_month(start), now) - start) // _DAY)]
    return [SampleFile(f"weather_{day:%Y-%m-%d}.csv", day, day + _DAY) for day in starts]
