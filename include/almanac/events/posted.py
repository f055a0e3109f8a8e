"""Posted events, each of which gets one decision, whenever it was posted and however often it is looked at.

Airflow keeps each event as a row, but two that arrive while `event_<model>` runs trigger one run, which is handed the
first, and one that arrives while it is paused triggers none. So the rows are read, and what was decided about each is
written down under its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.config.schema import Declared
from almanac.events.checking import PostedEvent, check_event
from almanac.journal.journal import Journal
from almanac.journal.questions import same_run
from almanac.journal.records import Decision, DecisionKind, Watermark
from almanac.registry.run_context import RunContext

# An event is stored with the time at which its transaction began: one that took long comes behind newer ones.
_OVERLAP = timedelta(hours=1)
_NEWEST = 1000


@dataclass(frozen=True)
class Posting:
    """One event as Airflow keeps it.

    Attributes:
        number: of its row.
        posted_at: aware; with the number it names the event, also in an Airflow whose database was created again.
        event: trigger and payload.
    """

    number: int
    posted_at: datetime
    event: PostedEvent

    @property
    def cause(self) -> str:
        """What the decision about it names."""
        return f"event {self.number} of {self.posted_at.isoformat()}"


def look_from(journal: Journal, model: str, trigger: str) -> datetime | None:
    """The time from which on events of a trigger must be looked at; None: all of them.

    Raises:
        TransientError: the journal is unreachable.
    """
    mark = journal.watermark(model, _mark(trigger))
    if mark is not None:
        return datetime.fromisoformat(mark.value) - _OVERLAP
    decided = journal.decisions(model, DecisionKind.EVENT, limit=_NEWEST, subject=trigger)
    # an earlier release named no event in its decisions: what came before its newest one is not decided again
    return next((one.decided_at for one in decided if one.cause is None), None)


def undecided(journal: Journal, model: str, postings: Sequence[Posting]) -> list[Posting]:
    """Those about which nothing was decided yet.

    Raises:
        TransientError: the journal is unreachable.
    """
    known = journal.caused(model, DecisionKind.EVENT, [one.cause for one in postings])
    return [one for one in postings if one.cause not in known]


def decide_postings(
    context: RunContext, model: Declared, postings: Sequence[Posting]
) -> list[tuple[PostedEvent, Decision]]:
    """Decide about each event that has no decision yet; gives those about which this run has decided, at any try.

    Args:
        context: of the run that decides.
        model: declares the triggers.
        postings: all events of one trigger since `look_from`, in any order.

    Raises:
        TransientError: the journal is unreachable.
    """
    journal, run, now = context.journal, context.run, context.now
    ordered = sorted(postings, key=lambda one: (one.posted_at, one.number))
    for one in undecided(journal, model.name, ordered):
        check_event(model, journal, one.event, run=run, now=now, cause=one.cause)
    known = journal.caused(model.name, DecisionKind.EVENT, [one.cause for one in ordered])
    if ordered:
        newest = ordered[-1]
        mark = Watermark(model.name, _mark(newest.event.trigger), newest.posted_at.isoformat(), now, run)
        journal.record_watermark(mark)
    return [(one.event, known[one.cause]) for one in ordered if same_run(known[one.cause].run, run)]


def _mark(trigger: str) -> str:
    return f"posted: {trigger}"
