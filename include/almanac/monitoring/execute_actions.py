"""Does what follows from an alarm, each thing once however often it is tried, with its reasons in the journal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.approvers import approval_of
from almanac.config.schema import Model
from almanac.config.sections.monitoring import Action
from almanac.journal.journal import Journal
from almanac.journal.questions import same_run, why_not_valid
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.run_context import RunContext

if TYPE_CHECKING:
    from almanac.monitoring.result import MonitorResult


def put_previous_back(context: RunContext, model: Model, champion: str, reasons: Sequence[str]) -> str | None:
    """Make the version that was in production before champion again; gives its number.

    None when there is none, or when another version than the one that raised the alarm is in production by now.

    Args:
        context: of the run that does it.
        model: whose.
        champion: number of the version that raised the alarm.
        reasons: why, in words.

    Raises:
        RegistryError: the version before never passed its gates.
        TransientError: MLflow or the journal is unreachable.
    """
    from almanac.registry.records import CHAMPION, PREVIOUS
    from almanac.release.promotion import roll_back

    registry, journal, run = context.registry, context.journal, context.run
    aliases = registry.aliases(model.name)
    # by an earlier try of the same run, which the registry goes on with
    begun = bool(journal.decisions(model.name, DecisionKind.ROLLBACK, run=run, limit=1))
    if not begun and (aliases.get(CHAMPION) != champion or PREVIOUS not in aliases):
        return None
    reason = "; ".join(reasons)
    return roll_back(registry, model.name, reason=reason, run=run, journal=journal, now=context.now).to_version


def record_actions(journal: Journal, result: "MonitorResult", run: RunRef) -> None:
    """Write what a run of the monitor found must be done: the tasks that do it read it here, not in XCom.

    A later try of the same run that finds nothing says so, and that counts.

    Raises:
        TransientError: the journal is unreachable.
    """
    version = {"version": float(result.model_version)} if result.model_version else {}
    actions = [planned for planned in result.actions if planned.action != "notify"]
    for planned in actions:
        figures = {planned.action: 1.0, **version}
        journal.record_decision(
            Decision(
                result.model,
                DecisionKind.ALARM,
                True,
                planned.reasons,
                result.monitored_at,
                run,
                result.subject,
                figures,
            )
        )
    if not actions and journal.decisions(result.model, DecisionKind.ALARM, run=run):
        nothing = ("nothing is left to do",)
        journal.record_decision(
            Decision(result.model, DecisionKind.ALARM, False, nothing, result.monitored_at, run, result.subject)
        )


def alarm_of(journal: Journal, model: str, action: Action, run: RunRef) -> Decision | None:
    """What the newest try of a run of the monitor wrote about an action; None: it wants none."""
    rows = journal.decisions(model, DecisionKind.ALARM, run=run)
    newest = [row for row in rows if row.decided_at == rows[0].decided_at]
    return next((row for row in newest if row.accepted and action in row.figures), None)


@dataclass(frozen=True)
class RequestedAction:
    """An action that the journal says must be taken: why, and about which version of the model."""

    reasons: tuple[str, ...]
    version: str
    subject: str


def find_requested(context: RunContext, model: Model, action: Action, *, as_answered: bool) -> RequestedAction | str:
    """Whether a run of the monitor must take an action, by the journal alone; else why not.

    Args:
        context: of the run of the monitor.
        model: whose.
        action: which.
        as_answered: by a person's answer; else by the monitor's own finding.

    Raises:
        TransientError: the journal is unreachable.
    """
    found = alarm_of(context.journal, model.name, "ask" if as_answered else action, context.run)
    if found is None:
        return "no finding requires it: the journal has no such finding of this run"
    version = f"{found.figures['version']:.0f}" if "version" in found.figures else ""
    if not as_answered:
        return RequestedAction(found.reasons, version, found.subject)
    answer = answer_of(model.name, context.journal, context.run)
    if problem := why_not_answered(context, model, answer):
        return f"nothing is done: {problem}"
    if answer is None or action not in answer.figures:
        return "the answer does not require it"
    return RequestedAction((*answer.reasons, *found.reasons), version, found.subject)


def why_not_answered(context: RunContext, model: Model, answer: Decision | None) -> str:
    """Why an answer to the monitor does not count; empty when it does."""
    approval, run = approval_of(model, context.home), context.run
    asked = [one for one in context.journal.decisions(model.name, DecisionKind.ACTION, run=run) if one.ask]
    barred = {run.started_by.casefold(): "started this run"} if approval.four_eyes else {}
    question = asked[0] if asked else None
    return why_not_valid(question, answer, approval, timeout=model.monitor.answer_within, barred=barred)


def ask_once(context: RunContext, model: Model, subject: str, reasons: Sequence[str]) -> Decision | None:
    """Write that a person is asked, unless one was asked the same by another run; gives what that run wrote.

    An alarm lasts for days and the monitor runs each day: one question for a version and a window is enough.

    Args:
        context: of the run that would ask.
        model: whose alarm.
        subject: which version and which window.
        reasons: why a person is asked.
    """
    journal, run, now = context.journal, context.run, context.now
    asked = journal.decisions(model.name, DecisionKind.ACTION, subject=subject)
    others = [one for one in asked if not same_run(one.run, run)]
    if others:
        return others[0]
    reasons_text, users = ("a person is asked to decide",), approval_of(model, context.home).users
    journal.record_decision(
        Decision(
            model.name,
            DecisionKind.ACTION,
            True,
            reasons_text,
            now,
            run,
            subject,
            ask=tuple(reasons),
            people=users,
            expires_at=now + model.monitor.answer_within,
        )
    )
    return None


def record_answer(
    context: RunContext,
    model: Model,
    chosen: Sequence[Action],
    *,
    by: str,
    user_id: str,
    reason: str,
    subject: str,
    at: datetime,
) -> Decision:
    """Write what a person decided about an alarm; nobody answered in time when `by` is empty.

    An answer that may not count is written down as refused, and nothing follows from it.
    """
    figures = dict.fromkeys(map(str, chosen), 1.0)  # which `find_requested` reads
    outcome = f"{by} decided: {', '.join(chosen) or 'nothing'}" if by else "no answer in time: nothing is done"
    answer = Decision(
        model.name,
        DecisionKind.ACTION,
        bool(chosen),
        (outcome, *filter(None, [reason])),
        at,
        replace(context.run, started_by=by),
        subject,
        figures,
        people=(user_id or by,) if by else (),
    )
    if chosen and (problem := why_not_answered(context, model, answer)):
        answer = replace(answer, accepted=False, figures={}, reasons=(f"does not count: {problem}", *answer.reasons))
    context.journal.record_decision(answer)
    return answer


def answer_of(model: str, journal: Journal, run: RunRef) -> Decision | None:
    """What a person has already answered to this run; `figures` names the actions, `reasons` who and why.

    Airflow retries a task that it considered lost; a person who has answered must not be asked again.
    """
    return next((one for one in journal.decisions(model, DecisionKind.ACTION, run=run) if not one.ask), None)
