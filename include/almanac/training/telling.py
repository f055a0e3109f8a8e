"""Tells people what a training showed that is no failure: learning that a rule ended, a figure beside a parameter."""

from datetime import datetime

from almanac.alerts.message import event_message
from almanac.alerts.telling import Teller
from almanac.config.schema import Model
from almanac.journal.records import RunRef
from almanac.registry.records import Logged, Tag


def tell_warnings(teller: Teller, model: Model, logged: Logged, *, run: RunRef, now: datetime) -> None:
    """Tell the warnings of one training; nothing when there is nothing to tell.

    Args:
        teller: tells.
        model: whose training.
        logged: its candidate, whose tag `almanac.warnings` says them.
        run: which training.
        now: aware.

    Raises:
        TransientError: the journal is away.
    """
    said = logged.tags.get(Tag.WARNINGS, "")
    if not said:
        return
    message = event_message(
        "training",
        severity="warning",
        model=model.name,
        subject=f"{run.dag_id}: the training shows something to look at",
        words=said,
        what_to_do="Look at its losses by epoch and its parameters in MLflow. The gates judge it all the same.",
        run=run,
        now=now,
        task_id="train",
    )
    teller.happened(model.alerts, message, "training", f"{run.dag_id} {run.run_id}", now)
