"""Questions to people and their answers. What a person must decide is decided from these rows of the journal alone.

Airflow asks, and brings the answer; but whoever may mark, skip or clear a task can make a run go on without one. So the
question is written down when it is asked, the answer when it is given, and whoever acts looks for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.config.sections.promotion import Approval
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef

NOBODY = "nobody"


@dataclass(frozen=True)
class Exchange:
    """The newest question of a run about one subject, and its answer, if there is one."""

    question: Decision | None = None
    answer: Decision | None = None


def same_run(one: RunRef, other: RunRef) -> bool:
    """Whether both are tries of one run. Callers choose run ids: of two DAGs they may be equal."""
    return (one.dag_id, one.run_id) == (other.dag_id, other.run_id)


def record_question(
    journal: Journal,
    model: str,
    subject: str,
    reasons: Sequence[str],
    *,
    approval: Approval,
    run: RunRef,
    now: datetime,
) -> Decision:
    """Write that a person is asked. A question of the same run about the same that was asked before is over."""
    question = Decision(
        model, DecisionKind.QUESTION, True, tuple(reasons), now, run, subject,
        people=approval.users, expires_at=now + approval.timeout,
    )  # fmt: skip
    journal.record_decision(question)
    return question


def exchange_of(journal: Journal, model: str, subject: str, run: RunRef) -> Exchange:
    """What was asked last in a run about a subject, and what was answered to that.

    Raises:
        TransientError: the journal is away.
    """
    answer = None
    for one in journal.decisions(model, run=run):  # the newest first
        if one.subject != subject:
            continue
        if one.kind is DecisionKind.QUESTION:
            return Exchange(one, answer)
        if one.kind is DecisionKind.APPROVAL:
            answer = answer or one
    return Exchange(None, answer)


def why_not_valid(
    question: Decision | None,
    answer: Decision | None,
    approval: Approval,
    *,
    timeout: timedelta,
    barred: Mapping[str, str],
) -> str:
    """Why an answer does not count; empty when it does.

    Args:
        question: what was asked; None: nothing.
        answer: what was said; None: nothing.
        approval: the declaration as it is now. An answer counts if its giver was allowed then and is now.
        timeout: how long a question waits that does not say until when.
        barred: who may not answer although they are declared, in small letters, and why.
    """
    if question is None:
        return "no question of this run is in the journal"
    if answer is None:
        return "the question of this run has no answer in the journal"
    until = question.expires_at or question.decided_at + timeout
    if answer.decided_at > until:
        return f"the answer came at {answer.decided_at:%Y-%m-%d %H:%M:%S} UTC, after {until:%Y-%m-%d %H:%M:%S} UTC"
    who, names = answer.run.started_by, {answer.run.started_by, *answer.people}
    for users in (question.people, approval.users):
        if users and not set(answer.people) & set(users):
            return f"{who} may not answer; got the user {'/'.join(sorted(names))}, expected one of {', '.join(users)}"
    for name in sorted(names):
        if reason := barred.get(name.casefold()):
            return f"four eyes: {who} {reason}, so somebody else must answer"
    return ""
