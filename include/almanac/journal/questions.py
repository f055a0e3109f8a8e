"""Questions to people and their answers. A decision that needs a person is made from these rows of the journal alone.

Airflow shows the question and delivers the answer, but a user who may mark, skip or clear a task can let a run continue
without one. So question and answer are recorded, and the code that acts looks for both.
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
    """Whether both are tries of one run. Run ids are chosen by callers, so two DAGs may have equal ones."""
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
    """Record a question. It replaces an earlier question of the same run about the same subject."""
    question = Decision(
        model,
        DecisionKind.QUESTION,
        True,
        tuple(reasons),
        now,
        run,
        subject,
        people=approval.users,
        expires_at=now + approval.timeout,
    )
    journal.record_decision(question)
    return question


def exchange_of(journal: Journal, model: str, subject: str, run: RunRef) -> Exchange:
    """The last question of a run about a subject, and its answer.

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
    """Why an answer is not valid; empty: it is valid.

    Args:
        question: None: there is none.
        answer: None: there is none.
        approval: the current declaration. An answer is valid if its author was allowed then and is now.
        timeout: of a question without `expires_at`.
        barred: declared users who may not answer, in lower case, with the reason.
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
