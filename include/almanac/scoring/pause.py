"""Scoring can be stopped, by the monitor or a person, until a person resumes it. The journal's newest word counts."""

from datetime import datetime

from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef


def stopped(journal: Journal, model: str) -> Decision | None:
    """The decision that stopped scoring; None when it is on.

    Raises:
        TransientError: the journal is unreachable; without it no scoring is allowed.
    """
    newest = next(iter(journal.decisions(model, DecisionKind.SCORING, limit=1)), None)
    return newest if newest is not None and not newest.accepted else None


def stop_scoring(journal: Journal, model: str, *, reason: str, run: RunRef, now: datetime) -> bool:
    """Score nothing from now on; False when scoring had been stopped before."""
    if stopped(journal, model) is not None:
        return False
    journal.record_decision(Decision(model, DecisionKind.SCORING, False, (reason,), now, run, "stopped"))
    return True


def resume_scoring(journal: Journal, model: str, *, reason: str, run: RunRef, now: datetime) -> bool:
    """Score again; False when nothing had been stopped."""
    if stopped(journal, model) is None:
        return False
    journal.record_decision(Decision(model, DecisionKind.SCORING, True, (reason,), now, run, "resumed"))
    return True


def why_stopped(decision: Decision) -> str:
    """In words, with how to go on."""
    return (
        f"scoring was stopped at {decision.decided_at:%Y-%m-%d %H:%M} UTC: {'; '.join(decision.reasons)}. "
        f"Resume it with: ./almanac scoring resume {decision.model} --reason '...'"
    )
