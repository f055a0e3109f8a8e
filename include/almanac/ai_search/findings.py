"""What is wrong with a service and its indexes, by what was observed and declared. No clock, no network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.ai_search.answers import IndexDefinition
from almanac.ai_search.observation import ObservedIndex, ObservedService
from almanac.ai_search.trend import trend_of
from almanac.config.grammar.types import format_duration
from almanac.config.search_services import SearchIndex, SearchService
from almanac.config.sections.alerts import Severity
from almanac.display import join_names, show

# What data fill. The other counters count what people make: three of three indexes are no fault.
FILLED = {"documentCount": "documents", "storageSize": "bytes of storage", "vectorIndexSize": "bytes of vectors"}
INDEX_STORAGE = "maxStoragePerIndex"
_TREND_DAYS = 28


@dataclass(frozen=True)
class SearchFinding:
    """Something that is wrong.

    Attributes:
        key: which alert it is: `service/part what`.
        severity: of the alert.
        subject: in one line.
        words: with figures and limits.
        what_to_do: in words.
    """

    key: str
    severity: Severity
    subject: str
    words: str
    what_to_do: str


@dataclass(frozen=True)
class Rows:
    """Rows of a dataset: now, and as many as it had `patience` ago."""

    now: int
    before: int


def unreachable(name: str, problem: str, answered_at: datetime | None) -> SearchFinding:
    """That a service did not answer."""
    last = f"It last answered at {answered_at:%Y-%m-%d %H:%M} UTC" if answered_at else "It has never answered"
    return SearchFinding(
        f"{name} unreachable",
        "warning",
        f"search service {name} cannot be watched",
        f"{problem}\n{last}. Nothing is known of its quotas, indexes and indexers since then; other services are"
        " still watched.",
        "Check the address and the key of its connection, its firewall, and Azure's status page.",
    )


def of_quotas(
    name: str, service: SearchService, observed: ObservedService, limits: Mapping[str, int | None], now: datetime
) -> Iterator[SearchFinding]:
    """Quotas that are used up, or will be soon if it goes on as in the last four weeks.

    Args:
        name: of the service.
        service: as it is declared.
        observed: counters, and their figures by day.
        limits: quota by the name of a series, as the service says it today; None: it sets none.
        now: aware.
    """
    for series, quota in limits.items():
        x, y = observed.series(series, now)
        if quota is None or not y or not (quota or y[-1]):  # none of nothing: the tier has no vectors
            continue
        counter, _, index = series.partition(" ")
        what = FILLED.get(counter, "bytes of storage") + (f" of the index {index}" if index else "")
        recent = [(at, value) for at, value in zip(x, y, strict=True) if at > -_TREND_DAYS]
        trend = trend_of([at for at, _ in recent], [value for _, value in recent])
        is_full = y[-1] >= quota
        days = 0.0 if is_full else trend.until(y[-1], quota) if trend else None
        if days is None or days > service.quota_within / timedelta(days=1):
            continue
        used = f"{y[-1]:,.0f} of {quota:,} {what} are used, by the service's own figures."
        when = (
            "What would exceed it is refused."
            if is_full
            else f"At {trend.slope if trend else 0:,.0f} a day (the median slope of {len(recent)} days) the quota is"
            f" reached in {days:.1f} days; the limit is {format_duration(service.quota_within)}"
            " (`quota_within`)."
        )
        yield SearchFinding(
            f"{name}/index {index} quota" if index else f"{name} quota {counter}",
            "critical" if is_full else "warning",
            f"search service {name}: quota of {what} {'used up' if is_full else f'reached in {days:.1f} days'}",
            f"{used} {when}",
            "Delete documents or fields that nobody searches, add a partition, or move to a larger tier.",
        )


def of_index(
    service: str, name: str, declared: SearchIndex, observed: ObservedIndex, rows: Rows
) -> Iterator[SearchFinding]:
    """Documents that are not the rows of the dataset.

    The documents must lie between the rows that the dataset had `patience` ago and those that it has now: so a dataset
    that grows all the time is compared, too.
    """
    if observed.documents is None:
        return
    low, high = min(rows.before, rows.now), max(rows.before, rows.now)
    spare = declared.tolerance * high
    if low - spare <= observed.documents <= high + spare:
        return
    off = low - observed.documents if observed.documents < low else observed.documents - high
    words = "are missing" if observed.documents < low else "are too many"
    expected = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    yield SearchFinding(
        f"{service}/index {name} documents",
        "warning",
        f"index {name}: documents {words} ({off:,})",
        f"It has {observed.documents:,} documents; expected {expected}, the rows of the dataset {declared.dataset} now"
        f" and {format_duration(declared.patience)} ago (`patience`; `tolerance` {declared.tolerance:.1%}).",
        "Look at its indexers on the page Search indexes: did one fail, or leave documents out? Documents whose rows"
        " were deleted stay unless the data source detects deletions.",
    )


def of_fields(service: str, name: str, declared: SearchIndex, found: IndexDefinition) -> Iterator[SearchFinding]:
    """Fields that are missing, of another type, or not declared."""
    there = {one.name: one.type for one in found.fields}
    missing = sorted(declared.fields.keys() - there.keys())
    others = [
        f"{show(field)} is {show(there[field])}, expected {show(kind)}"
        for field, kind in sorted(declared.fields.items())
        if field in there and there[field] != kind
    ]
    more = sorted(there.keys() - declared.fields.keys())
    problems = [
        *([f"missing: {join_names(missing)}"] if missing else []),
        *others[:10],
        *([f"and {len(others) - 10} more of another type"] if len(others) > 10 else []),
        *([f"not declared: {join_names(more)}"] if more else []),
    ]
    if declared.fields and problems:
        yield SearchFinding(
            f"{service}/index {name} fields",
            "warning",
            f"index {name}: its fields are not those that are declared",
            "; ".join(problems),
            "Create the index again with the right fields and let its indexers fill it, or correct `fields`: a field's"
            " type cannot be changed.",
        )


def unreadable(service: str, part: str, problem: str) -> SearchFinding:
    """That an index, an indexer or a dataset cannot be looked at, while the service answers."""
    return SearchFinding(
        f"{service}/{part} unknown",
        "warning",
        f"search service {service}: {part} cannot be looked at",
        f"{problem}\nNothing is known of it until it can; what was reported of it stays open.",
        "Does it exist under this name? Correct `search_indexes` of `_installation.yaml`, or the rights of the key.",
    )


def not_started(service: str, indexer: str, problem: str) -> SearchFinding:
    """That an indexer was due, and the service did not start it."""
    return SearchFinding(
        f"{service}/indexer {indexer} start",
        "warning",
        f"indexer {indexer} could not be started",
        f"{problem}\nIt is tried again by the next look.",
        "Check that the key is an admin key, or that the identity has the role Search Service Contributor.",
    )
