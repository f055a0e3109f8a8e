"""Alerts when a pipeline will not be, or is not, ready by its time of day (`pipelines.<kind>.ready_by`).

How long a run usually takes is in the ledger; which runs there are, Airflow says. Where Airflow cannot be asked nothing
is known: no alert begins, and none ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median, quantiles
from typing import Protocol

from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.config.grammar.ready_by import DailyDeadline, parse_ready_by
from almanac.config.grammar.rules import names
from almanac.config.grammar.ticks import next_tick
from almanac.config.schema import Declared
from almanac.config.sections.pipelines import Kind, rule_of, schedule_named
from almanac.costs.ledger import Ledger
from almanac.errors import AlmanacError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

_LEAST = 3  # runs before anything is foreseen
_HISTORY = timedelta(days=60)
_FAR = timedelta(days=2)


@dataclass(frozen=True)
class PipelineRun:
    """One run of a DAG. `ended` is None while it has not; `started` while it is queued."""

    run_id: str
    state: str
    started: datetime | None
    ended: datetime | None


class PipelineRuns(Protocol):
    """Who knows the runs of a DAG."""

    def pipeline_runs(self, dag_id: str, since: datetime) -> Sequence[PipelineRun]:
        """Those that may have begun since a time."""


@dataclass(frozen=True)
class Usual:
    """How long a run with something to do takes, in the median and in nine of ten cases."""

    median: timedelta
    p90: timedelta

    @classmethod
    def of(cls, durations_s: Sequence[float]) -> "Usual | None":
        """Of past runs; None: they are too few."""
        if len(durations_s) < _LEAST:
            return None
        p90 = quantiles(durations_s, n=10, method="inclusive")[-1]
        return cls(timedelta(seconds=median(durations_s)), timedelta(seconds=p90))


@dataclass(frozen=True)
class Unready:
    """That a deadline is missed, or will be.

    Attributes:
        deadline: which, in UTC.
        missed: it has passed; otherwise it is foreseen.
        expected: when the run is expected to end; None: it is missed, and nothing is known.
        since: when the run that is waited for began; None: none has begun.
    """

    deadline: datetime
    missed: bool
    expected: datetime | None
    since: datetime | None


def judge(
    declared: DailyDeadline,
    ticks: Sequence[datetime] | None,
    runs: Sequence[PipelineRun],
    worked: Sequence[str],
    usual: Usual | None,
    now: datetime,
) -> Unready | None:
    """What is missed, else what will be; None: all is in time, or nothing can be said.

    The run of a deadline is one that began between the last tick of the schedule before it and now. Without a schedule
    it is one that began after the deadline before, and had something to do.

    Args:
        declared: the deadline of each day.
        ticks: of the pipeline's schedules, from two days ago until in two days, ascending; None: it has none.
        runs: of the pipeline, of the last days, in any order.
        worked: ids of runs that had something to do.
        usual: how long they take; None: not known.
        now: aware.
    """
    last, following = declared.last(now), declared.next(now)
    before = declared.last(last - timedelta(microseconds=1))
    # a pipeline that is new here has missed nothing
    is_new = usual is None and not any(run.started is not None and run.started < last for run in runs)
    missed = None if is_new else _due(ticks, before, last, runs, worked)
    if missed is not None:
        expected = max(missed.running + usual.p90, now) if missed.running and usual else None
        return Unready(last, True, expected, missed.running)
    coming = _due(ticks, last, following, runs, worked)
    if coming is None or usual is None:
        return None
    expected = max((coming.running or max(coming.begins, now)) + usual.p90, now)
    return Unready(following, False, expected, coming.running) if expected > following else None


@dataclass(frozen=True)
class _Due:
    """A run that a deadline waits for: from when on one counts, and when the oldest that has not ended began."""

    begins: datetime
    running: datetime | None


def _due(
    ticks: Sequence[datetime] | None,
    after: datetime,
    deadline: datetime,
    runs: Sequence[PipelineRun],
    worked: Sequence[str],
) -> _Due | None:
    """What a deadline waits for; None: nothing is due for it, or it is done."""
    begins = _begins(ticks, after, deadline)
    if begins is None:
        return None
    begun = [run for run in runs if run.started is not None and run.started >= begins]
    if any(run.state == "success" and (ticks is not None or run.run_id in worked) for run in begun):
        return None
    return _Due(begins, min((run.started for run in begun if run.ended is None and run.started), default=None))


def _begins(ticks: Sequence[datetime] | None, after: datetime, until: datetime) -> datetime | None:
    """From when on a run counts for a deadline; None: nothing is due for it."""
    if ticks is None:
        return after
    return max((tick for tick in ticks if after < tick <= until), default=None)


def report_ready_by(
    notifier: Notifier,
    models: Sequence[Declared],
    journal: Journal,
    known: PipelineRuns | None,
    run: RunRef,
    now: datetime,
) -> None:
    """Open, worsen and end the alerts of all pipelines that have a time of day.

    Raises:
        TransientError: the journal is unreachable.
    """
    for model in models:
        for kind, declared in model.pipelines.items():
            key = f"{kind}_{model.name} ready_by"
            if declared.ready_by is None or declared.enabled is False:
                notifier.resolve(model.alerts, model.name, "late", key, now)
            elif known is not None:
                _report(notifier, model, kind, parse_ready_by(declared.ready_by), key, journal, known, run, now)


def _report(
    notifier: Notifier,
    model: Declared,
    kind: Kind,
    deadline: DailyDeadline,
    key: str,
    journal: Journal,
    known: PipelineRuns,
    run: RunRef,
    now: datetime,
) -> None:
    dag_id = f"{kind}_{model.name}"
    try:
        runs = known.pipeline_runs(dag_id, deadline.last(now) - _FAR)
    except AlmanacError:
        return  # nothing is known; that Airflow is away has an alert of its own
    unfinished = {one.run_id for one in runs if one.ended is None}
    found_s = Ledger(journal).durations(dag_id, now - _HISTORY)
    durations = {run_id: seconds for run_id, seconds in found_s.items() if run_id not in unfinished}
    usual = Usual.of(list(durations.values()))
    found = judge(deadline, _ticks(model, kind, now), runs, list(durations), usual, now)
    if found is None:
        notifier.resolve(model.alerts, model.name, "late", key, now)
    else:
        notifier.open(model.alerts, _message(model, kind, dag_id, deadline, found, usual, run, now), "late", key, now)


def _ticks(model: Declared, kind: Kind, now: datetime) -> list[datetime] | None:
    """The ticks of a pipeline's schedules around now; None: events may start it, too, or only they do."""
    rule = rule_of(model, kind)
    schedules = [schedule_named(model, kind, name) for name in names(rule)] if rule else []
    if not schedules or None in schedules:
        return None
    found: set[datetime] = set()
    for timing in (one.timing() for one in schedules if one is not None):
        tick = next_tick(timing, now - _FAR)
        while tick is not None and tick <= now + _FAR:
            found.add(tick)
            tick = next_tick(timing, tick)
    return sorted(found)


def _message(
    model: Declared,
    kind: Kind,
    dag_id: str,
    deadline: DailyDeadline,
    found: Unready,
    usual: Usual | None,
    run: RunRef,
    now: datetime,
) -> Message:
    begun = f"A run has been under way since {found.since:%H:%M} UTC." if found.since else "No run has begun."
    takes = (
        f" Runs take {_minutes(usual.median)} in the median and {_minutes(usual.p90)} in nine of ten cases, by the"
        " ledger."
        if usual
        else ""
    )
    expected = f" It is expected to end at {found.expected:%Y-%m-%d %H:%M} UTC." if found.expected else ""
    what = "was not ready by" if found.missed else "will not be ready by"
    return event_message(
        "late",
        severity="critical" if found.missed else "warning",
        model=model.name,
        subject=f"{dag_id} {what} {deadline}",
        words=f"The deadline {'was' if found.missed else 'is'} {found.deadline:%Y-%m-%d %H:%M} UTC"
        f" (pipelines.{kind}.ready_by). {begun}{takes}{expected}",
        what_to_do="Open the DAG: has its run begun, does it wait for data, for a free slot, or for a retry? Otherwise"
        " start it earlier.",
        run=run,
        now=now,
    )


def _minutes(time: timedelta) -> str:
    return f"{time / timedelta(minutes=1):.0f} min" if time >= timedelta(minutes=2) else f"{time.total_seconds():.0f} s"
