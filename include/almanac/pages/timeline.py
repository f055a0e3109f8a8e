"""What happened to a model, on one axis of time: data, trainings, promotions, rollbacks, alerts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.alerts.alert_log import AlertLog
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, DecisionKind

LANES = ("data", "trainings", "promotions", "rollbacks", "alerts")
SPAN = timedelta(days=90)
_MOST = 300  # marks of a lane: more cannot be told apart


@dataclass(frozen=True)
class Mark:
    """One thing that happened.

    Attributes:
        lane: one of `LANES`.
        tone: good, warn, bad or calm.
        words: for its tip.
        place: on the axis, 0 to 1.
    """

    at: datetime
    lane: str
    tone: str
    words: str
    place: float = 0.0


def timeline(journal: Journal, model: str, now: datetime) -> tuple[Mark, ...]:
    """The marks of the last `SPAN`, the newest first in each lane.

    Raises:
        TransientError: the journal is unreachable.
    """
    since = now - SPAN
    found = (*_data(journal, model, since), *_decided(journal, model, since), *_alerts(journal, model))
    return tuple(
        Mark(one.at, one.lane, one.tone, one.words, (one.at - since) / SPAN) for one in found if since <= one.at <= now
    )


def _data(journal: Journal, model: str, since: datetime) -> Iterator[Mark]:
    for one in journal.batches(model, _MOST, since=since):
        name = one.uri.rsplit("/", 1)[-1]
        tone = {BatchState.PUBLISHED: "good", BatchState.REJECTED: "bad"}.get(one.state, "calm")
        tone = "warn" if one.state is BatchState.PUBLISHED and one.rows_quarantined else tone
        yield Mark(one.recorded_at, "data", tone, f"{name}: {one.state}, {one.rows_published:,} rows")


def _decided(journal: Journal, model: str, since: datetime) -> Iterator[Mark]:
    for one in journal.decisions(model, DecisionKind.GATES, since, _MOST):
        words = "passed the gates" if one.accepted else f"refused: {'; '.join(one.reasons[:1])}"
        yield Mark(one.decided_at, "trainings", "good" if one.accepted else "warn", words)
    for move in journal.alias_moves(model, _MOST, alias="champion", since=since):
        yield Mark(move.moved_at, "promotions", "good", f"version {move.to_version or 'none'}: {move.reason}")
    for one in journal.decisions(model, DecisionKind.ROLLBACK, since, _MOST):
        yield Mark(one.decided_at, "rollbacks", "bad", "; ".join(one.reasons[:1]))


def _alerts(journal: Journal, model: str) -> Iterator[Mark]:
    for one in AlertLog(journal).recent(model=model):
        tone = {"critical": "bad", "warning": "warn"}.get(one.message.severity, "calm")
        yield Mark(one.opened_at, "alerts", tone, one.message.subject)
