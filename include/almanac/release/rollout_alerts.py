"""Tells people about a rollout: it fell back, or waits for them."""

from datetime import datetime

from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.config.schema import Model
from almanac.config.sections.alerts import Severity
from almanac.journal.records import RolloutState, RolloutTransition, RunRef


def notify_rollout(notifier: Notifier, model: Model, at: RolloutTransition, *, run: RunRef, now: datetime) -> None:
    """Tell that a rollout fell back, or, as long as it lasts, that it is held or paused by a guard.

    Args:
        notifier: sends and closes alerts.
        model: whose.
        at: where the rollout stands.
        run: that looked.
        now: aware.

    Raises:
        TransientError: the journal is away.
    """
    if at.state is RolloutState.FALLING_BACK:
        what_to_do = (
            f"Nothing is urgent: the champion, version {at.against}, answers everybody, and version {at.version} is"
            " not proposed again by itself. Read the figures, and correct the cause in the next version; a person can"
            f" start the rollout again by promote. See: almanac rollout show {model.name}"
        )
        message = _message(model, at, "critical", "fell back", what_to_do, run, now)
        notifier.resolve(model.alerts, model.name, "rollout", at.id, now)
        notifier.notify_once(model.alerts, message, "rollout", f"{at.id} fell back", now)
    elif at.state is RolloutState.HELD or (at.state is RolloutState.PAUSED and at.figures):
        what_to_do = (
            f"Look at the figures: almanac rollout show {model.name}. Wait for more requests or outcomes, or decide:"
            f" almanac rollout advance {model.name} --reason ..., or set-back or abort in its place."
        )
        message = _message(model, at, "warning", f"is {at.state}", what_to_do, run, now)
        notifier.open(model.alerts, message, "rollout", at.id, now)
    else:
        notifier.resolve(model.alerts, model.name, "rollout", at.id, now)


def _message(
    model: Model, at: RolloutTransition, severity: Severity, what: str, what_to_do: str, run: RunRef, now: datetime
) -> Message:
    figures = "; ".join(f"{name} {value:.4g}" for name, value in sorted(at.figures.items()))
    return event_message(
        "rollout",
        severity=severity,
        model=model.name,
        subject=f"{model.name}: the rollout {at.id} of version {at.version} {what}",
        words=f"{at.reason}. {figures}",
        what_to_do=what_to_do,
        run=run,
        now=now,
        task_id="continue_rollout",
    )
