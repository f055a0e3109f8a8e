"""From findings to what is done: only an alarm acts, and only as the model's YAML declares."""

from collections.abc import Sequence
from dataclasses import dataclass

from almanac.config.schema import Model
from almanac.config.sections.monitoring import Action
from almanac.monitoring.findings import Finding, State

ACTION_TEXTS: dict[Action, str] = {
    "notify": "An alert is sent",
    "retrain": "A retrain is requested",
    "previous": "The previous version is put back into production",
    "stop_scoring": "Scoring stops until a person resumes it",
    "ask": "A person is asked to decide",
}


@dataclass(frozen=True)
class PlannedAction:
    """One thing to do, and why."""

    action: Action
    reasons: tuple[str, ...]


def plan_actions(model: Model, findings: Sequence[Finding]) -> tuple[PlannedAction, ...]:
    """What follows from the findings, each action once, with all its reasons.

    A warning is told to people where its condition says `notify`; nothing else follows from it. From insufficient
    data nothing follows at all.
    """
    reasons: dict[Action, list[str]] = {}
    for finding in findings:
        if finding.state not in (State.ALARM, State.WARNING):
            continue
        for action in model.monitor.actions.of(finding.condition.value):
            if finding.state is State.ALARM or action == "notify":
                reasons.setdefault(action, []).append(finding.text)
    return tuple(PlannedAction(action, tuple(texts)) for action, texts in reasons.items())


def reasons_for(actions: Sequence[PlannedAction], action: Action) -> tuple[str, ...]:
    """Why an action is taken; empty when it is not."""
    return next((planned.reasons for planned in actions if planned.action == action), ())
