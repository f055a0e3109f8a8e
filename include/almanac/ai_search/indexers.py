"""What is wrong with indexers, and which of them are to be started. No network; the time is an argument."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from almanac.ai_search.answers import IndexerStatus
from almanac.ai_search.findings import SearchFinding
from almanac.ai_search.observation import ObservedIndexer
from almanac.ai_search.trend import trend_of
from almanac.config.grammar.types import format_duration
from almanac.config.search_services import SearchIndex, SearchIndexer

_MIN_RUNS = 8  # before a trend of run times is judged
_GREW = 0.5  # of the median run time, over the known runs
_NEAR = 0.8  # of the longest that a run may take
_IDLE_RUNS, _IDLE_SHARE = 6, 0.75
# The service shows a run that it has accepted some moments later.
_SHOWN_AFTER = timedelta(minutes=10)
_FINE = frozenset({"success", "inProgress", "reset"})


def observe(
    status: IndexerStatus, declared: SearchIndexer, *, published_at: datetime | None, started: datetime | None
) -> ObservedIndexer:
    """What one indexer's status says.

    Args:
        status: the service's answer.
        declared: whether it is started from here.
        published_at: when the newest version of the dataset was published; None: nothing was.
        started: when it was last started from here; None: never.
    """
    runs, newest = status.runs, next(iter(status.runs), None)
    ended = [run for run in runs if run.succeeded and run.took is not None]
    worked = [run.took.total_seconds() for run in reversed(ended) if run.took and run.processed]
    idle = [run.took for run in ended if run.took is not None and not run.processed]
    begun = max((time for time in (status.newest_start, started) if time), default=None)
    return ObservedIndexer(
        status=newest.status if newest else status.status,
        started_at=status.newest_start,
        succeeded_at=status.newest_success,
        processed=newest.processed if newest else 0,
        failed=newest.failed if newest else 0,
        took_s=newest.took.total_seconds() if newest and newest.took else None,
        limit_s=status.limit.total_seconds() if status.limit else None,
        runs_s=tuple(worked),
        idle_runs=len(idle),
        runs=len(ended),
        idle_s=sum(idle, timedelta(0)).total_seconds(),
        due=declared.start and published_at is not None and (begun is None or begun < published_at),
    )


def next_start(
    index: SearchIndex, observed: Mapping[str, ObservedIndexer], started: Mapping[str, datetime], now: datetime
) -> str | None:
    """The indexer that is to be started: the first that is due, while none of the index runs.

    None while anything is not known: two that write into one index at once disturb each other.
    """
    if any(one.problem or is_running(one, started.get(name), now) for name, one in observed.items()):
        return None
    due = (name for name, one in observed.items() if one.due)
    return next((name for name in due if index.indexers[name].may_start(now)), None)


def is_running(one: ObservedIndexer, started: datetime | None, now: datetime) -> bool:
    """Whether a run has not ended, or was begun from here and is not shown yet."""
    if one.status == "inProgress":
        return True
    is_shown = started is None or (one.started_at is not None and one.started_at >= started)
    return not is_shown and started is not None and now - started < _SHOWN_AFTER


def judge(
    service: str, name: str, declared: SearchIndexer, status: IndexerStatus, seen: ObservedIndexer, now: datetime
) -> Iterator[SearchFinding]:
    """What is wrong with one indexer."""
    part = f"{service}/indexer {name}"
    yield from _result(part, name, status)
    yield from _age(part, name, declared, seen, now)
    yield from _duration(part, name, status, seen, now)
    yield from _growth(part, name, seen)
    yield from _idle(part, name, seen)


def _result(part: str, name: str, status: IndexerStatus) -> Iterator[SearchFinding]:
    """A run that failed as a whole, or left documents out."""
    newest = next(iter(status.runs), None)
    failed = newest is not None and newest.status not in _FINE
    reasons = _reasons(newest.errors) if newest else ""
    if failed or status.status == "error":
        why = (newest.message if newest else None) or reasons or "the service gives no reason"
        yield SearchFinding(
            f"{part} failed",
            "warning" if newest is not None and newest.status == "transientFailure" else "critical",
            f"indexer {name} failed",
            f"Its last run ended as {newest.status if newest else status.status!r}, and the indexer is"
            f" {status.status!r}: {why}",
            "Correct what it names in its data source or index, then run it: the page Search indexes shows its runs.",
        )
    elif newest is not None and newest.failed:
        yield SearchFinding(
            f"{part} left out",
            "warning",
            f"indexer {name}: documents were not indexed ({newest.failed:,})",
            f"{newest.failed:,} of {newest.processed:,} documents of its last run. {reasons}",
            "Correct these documents at their source; the next run indexes what has changed.",
        )


def _reasons(errors: Sequence[object]) -> str:
    return "; ".join(
        f"{getattr(one, 'key', None) or 'a document'}: {getattr(one, 'message', '') or 'no reason'}" for one in errors
    )


def _age(
    part: str, name: str, declared: SearchIndexer, seen: ObservedIndexer, now: datetime
) -> Iterator[SearchFinding]:
    if declared.max_age is None or (seen.succeeded_at is not None and now - seen.succeeded_at <= declared.max_age):
        return
    last = f"It last succeeded at {seen.succeeded_at:%Y-%m-%d %H:%M} UTC" if seen.succeeded_at else "It never has"
    yield SearchFinding(
        f"{part} age",
        "warning",
        f"indexer {name} has not succeeded for a long time",
        f"{last}; the limit is {format_duration(declared.max_age)} (`max_age`).",
        "Is it disabled, or without a schedule? Does the index wait for hours in which it may start?",
    )


def _duration(
    part: str, name: str, status: IndexerStatus, seen: ObservedIndexer, now: datetime
) -> Iterator[SearchFinding]:
    """A run that took, or takes, nearly as long as the service allows."""
    if status.limit is None or seen.started_at is None:
        return
    took = (now - seen.started_at).total_seconds() if status.is_running else seen.took_s
    if took is None or took < _NEAR * status.limit.total_seconds():
        return
    yield SearchFinding(
        f"{part} time",
        "warning",
        f"indexer {name} needs nearly all the time that it may have",
        f"Its run of {seen.started_at:%Y-%m-%d %H:%M} UTC {'has taken' if status.is_running else 'took'}"
        f" {_minutes(took)}; the service ends a run after {_minutes(status.limit.total_seconds())}.",
        "Let it index less at once (partition the source among several indexers), or start it more often.",
    )


def _growth(part: str, name: str, seen: ObservedIndexer) -> Iterator[SearchFinding]:
    """Runs that take longer each time."""
    times = seen.runs_s
    if len(times) < _MIN_RUNS:
        return
    trend, usual = trend_of([float(number) for number in range(len(times))], times), median(times)
    if trend is None or not trend.grows or trend.slope * (len(times) - 1) < _GREW * usual:
        return
    left = trend.until(times[-1], seen.limit_s) if seen.limit_s else None
    until = f" In about {left:.0f} runs it needs {_minutes(seen.limit_s or 0)}, which is the limit." if left else ""
    yield SearchFinding(
        f"{part} slower",
        "warning",
        f"indexer {name} takes longer each time",
        f"Its last {len(times)} runs with documents took {_minutes(usual)} in the median, and {_minutes(trend.slope)}"
        f" more from each to the next.{until}",
        "Does it read everything each time? A data source with change detection lets it read what is new.",
    )


def _idle(part: str, name: str, seen: ObservedIndexer) -> Iterator[SearchFinding]:
    """Runs that found nothing to do: a schedule that is denser than the data."""
    if seen.runs < _IDLE_RUNS or seen.idle_runs < _IDLE_SHARE * seen.runs:
        return
    yield SearchFinding(
        f"{part} idle",
        "info",
        f"indexer {name} runs more often than its data change",
        f"{seen.idle_runs} of its last {seen.runs} runs found no document; they took {_minutes(seen.idle_s)} of"
        " indexing time.",
        "Give it no schedule in Azure, and `start: true` here: then it runs after each new version of the dataset.",
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f} min" if seconds >= 120 else f"{seconds:,.1f} s"
