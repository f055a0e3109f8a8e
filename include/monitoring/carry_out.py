"""Does what follows from an alarm, each thing once however often it is tried, with its reasons in the journal."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from include.config.monitoring import Action
from include.config.schema import Model
from include.journal.journal import Journal
from include.journal.records import Decision, DecisionKind, RunRef

if TYPE_CHECKING:
    from include.registry.store import Registry


def put_previous_back(
    model: Model,
    registry: "Registry",
    journal: Journal,
    champion: str,
    reasons: Sequence[str],
    *,
    run: RunRef,
    now: datetime,
) -> str | None:
    """Make the version that was in production before champion again; gives its number.

    None when there is none, or when another version than the one that raised the alarm is in production by now.

    Args:
        model: whose.
        registry: where.
        journal: takes the audit rows.
        champion: number of the version that raised the alarm.
        reasons: why, in words.
        run: who.
        now: aware.

    Raises:
        RegistryError: the version before never passed its gates.
        TransientError: MLflow or the journal is away.
    """
    from include.registry.promotion import roll_back
    from include.registry.records import CHAMPION, PREVIOUS

    aliases = registry.aliases(model.name)
    begun = any(
        (one.run.dag_id, one.run.run_id) == (run.dag_id, run.run_id)
        for one in journal.decisions(model.name, DecisionKind.ROLLBACK)
    )  # by an earlier try of the same run, which the registry goes on with
    if not begun and (aliases.get(CHAMPION) != champion or PREVIOUS not in aliases):
        return None
    reason = "; ".join(reasons)
    return roll_back(registry, model.name, reason=reason, run=run, journal=journal, now=now).to_version


def ask_once(
    model: str, journal: Journal, subject: str, reasons: Sequence[str], *, run: RunRef, now: datetime
) -> Decision | None:
    """Write that a person is asked, unless one was asked the same by another run; gives what that run wrote.

    An alarm lasts for days and the monitor runs each day: one question for a version and a window is enough.

    Args:
        model: whose alarm.
        journal: knows what was asked.
        subject: which version and which window.
        reasons: why a person is asked.
        run: which would ask.
        now: aware.
    """
    asked = [one for one in journal.decisions(model, DecisionKind.ACTION) if one.subject == subject]
    others = [one for one in asked if not _same_run(one.run, run)]
    if others:
        return others[0]
    if not asked:
        said = ("a person is asked what to do",)
        asked_now = Decision(model, DecisionKind.ACTION, True, said, now, run, subject, ask=tuple(reasons))
        journal.record_decision(asked_now)
    return None


def record_answer(
    model: str,
    journal: Journal,
    chosen: Sequence[Action],
    *,
    by: str,
    reason: str,
    subject: str,
    run: RunRef,
    now: datetime,
) -> Decision:
    """Write what a person decided about an alarm; nobody answered in time when `by` is empty."""
    figures = dict.fromkeys(map(str, chosen), 1.0)  # which `answer_of` reads
    words = ", ".join(chosen) or "nothing"
    said = f"{by} decided: {words}" if by else "nobody answered in time: nothing is done"
    reasons = (said, reason) if reason else (said,)
    answer = Decision(model, DecisionKind.ACTION, bool(chosen), reasons, now, run, subject, figures)
    journal.record_decision(answer)
    return answer


def answer_of(model: str, journal: Journal, run: RunRef) -> Decision | None:
    """What a person has already answered to this run; `figures` names the actions, `reasons` who and why.

    Airflow tries a task again that it took for lost; whoever has answered must not be asked again.
    """
    answers = (one for one in journal.decisions(model, DecisionKind.ACTION) if not one.ask)
    return next((one for one in answers if _same_run(one.run, run)), None)


def _same_run(one: RunRef, other: RunRef) -> bool:
    return (one.dag_id, one.run_id) == (other.dag_id, other.run_id)
