"""Approval by starting a run with a form: live restores and deletions above the limit."""

from datetime import datetime

from almanac.config.grammar.types import format_duration
from almanac.config.sections.promotion import Approval
from almanac.errors import ApprovalError
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef

_INSTALLATION = "docs/production.md, Who may do what"


def require_permission(
    journal: Journal, approval: Approval, what: str, *, model: str = "", starter: str, run: RunRef, now: datetime
) -> None:
    """Return if the person who started a run may approve what its form asks for. The answer is recorded, yes or no.

    An approval is valid for `approval.timeout`: a run that is cleared later needs another one. With four eyes two
    people start the same operation within that time, and the second run proceeds.

    Args:
        journal: records the answer.
        approval: who may approve.
        what: describes the operation; equal texts are the same operation.
        model: whose operation; empty: the installation's.
        starter: the user who started the run by hand; empty: nobody did, or Airflow does not know who.
        run: the run.
        now: aware.

    Raises:
        ApprovalError: this person may not approve, or the person is unknown.
        TransientError: the journal is away.
    """
    given = [one for one in journal.decisions(model, DecisionKind.APPROVAL, run=run) if one.subject == what]
    if given and given[0].accepted and given[0].decided_at + approval.timeout >= now:
        return
    problem = _why_not(approval, starter)
    if given and given[0].accepted:
        problem = f"it was approved at {given[0].decided_at:%Y-%m-%d %H:%M} UTC, and that has run out"
    people = (starter,) if not problem else ()
    if not problem and approval.four_eyes and not _has_first(journal, approval, what, model, starter, now):
        problem = (
            f"four eyes: {starter} is the first to ask for it; let somebody else start the same within"
            f" {format_duration(approval.timeout)}"
        )
    reason = f"refused to {starter or 'an unknown starter'}: {problem}" if problem else f"approved by {starter}"
    journal.record_decision(
        Decision(model, DecisionKind.APPROVAL, not problem, (reason,), now, run, what, people=people)
    )
    if problem:
        raise ApprovalError(
            f"{what}: {problem}. Nothing was done. Expected a run started by hand by"
            f" {'one of ' + ', '.join(approval.users) if approval.users else 'a person whom Airflow names'}"
            f" (approval.users of _installation.yaml; {_INSTALLATION})"
        )


def _why_not(approval: Approval, starter: str) -> str:
    if not starter:
        return "nobody is known to have started this run by hand"
    # Users are declared by id, too, and where ids are numbers a name could be another's number.
    if approval.users and (starter not in approval.users or starter.isdecimal()):
        return f"{starter} may start it, but not approve it"
    return ""


def _has_first(journal: Journal, approval: Approval, what: str, model: str, starter: str, now: datetime) -> bool:
    """Whether another person who may approve has started the same operation within `approval.timeout`."""
    lately = journal.decisions(model, DecisionKind.APPROVAL, since=now - approval.timeout)
    return any(one.subject == what and one.people and starter not in one.people for one in lately)
