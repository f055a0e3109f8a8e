"""Which grains changed their candidate from one published version to the next."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.errors import DataError
from almanac.forecast.published import Publication, PublishedTable
from almanac.forecast.results import GRAIN
from almanac.forecast.versions import results_of


@dataclass(frozen=True)
class Switch:
    """One grain that changed its candidate, and when that was published."""

    grain: str
    was: str
    now: str
    at: datetime
    version: str


def switches_of(model: ForecastModel, home: Home, since: datetime) -> list[Switch]:
    """The changes that were published since a time, the oldest first, as far as results are kept.

    Raises:
        TransientError: the store is unreachable.
    """
    found: list[Switch] = []
    for before, after in pairwise(reversed(PublishedTable.of(home, model).publications())):
        if after.at >= since and before.version != after.version:
            found += _between(model, home, before, after)
    return found


def _between(model: ForecastModel, home: Home, before: Publication, after: Publication) -> list[Switch]:
    try:
        theirs, ours = (results_of(model, home, one.version).select(GRAIN, "candidate") for one in (before, after))
    except DataError:
        return []
    both = ours.join(theirs, on=GRAIN, suffix="_before").sort(GRAIN)
    rows = both.select(GRAIN, "candidate_before", "candidate").iter_rows()
    return [Switch(grain, was, now, after.at, after.version) for grain, was, now in rows if was != now]
