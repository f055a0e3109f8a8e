"""Notifies people of a training's warnings, which are no failures: an early end of learning, a conspicuous figure."""

from datetime import datetime

from almanac.alerts.message import event_message
from almanac.alerts.notifier import Notifier
from almanac.config.schema import Model
from almanac.journal.records import RunRef
from almanac.registry.records import Logged, Tag


def notify_warnings(notifier: Notifier, model: Model, logged: Logged, *, run: RunRef, now: datetime) -> None:
    """Send the warnings of one training as one notification; none without warnings.

    Args:
        notifier: sends it.
        model: the trained model.
        logged: its candidate; the tag `almanac.warnings` holds the warnings.
        run: the training run.
        now: aware.

    Raises:
        TransientError: the journal is not available.
    """
    warnings = logged.tags.get(Tag.WARNINGS, "")
    if not warnings:
        return
    message = event_message(
        "training",
        severity="warning",
        model=model.name,
        subject=f"{run.dag_id}: the training has warnings",
        words=warnings,
        what_to_do="Check its losses by epoch and its parameters in MLflow. The gates judge the candidate as usual.",
        run=run,
        now=now,
        task_id="train",
    )
    notifier.notify_once(model.alerts, message, "training", f"{run.dag_id} {run.run_id}", now)
