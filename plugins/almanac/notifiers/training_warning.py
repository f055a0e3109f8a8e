"""Tells people what a training showed that is no failure: learning that a rule ended, a figure beside a parameter."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import get_current_context
from airflow.sdk.definitions.context import Context

from almanac.notifiers.alert import AlertNotifier
from include.config.schema import Alerts, Model
from include.journal.records import RunRef

if TYPE_CHECKING:
    from include.alerts.message import Message


class TrainingWarningNotifier(AlertNotifier):
    """Sends the warnings of one training.

    Args:
        model: whose.
        alerts: who is told.
        said: the warnings, one a line.
    """

    def __init__(self, model: str, alerts: Alerts, said: str) -> None:
        super().__init__(model, alerts)
        self.said = said

    def _message(self, context: Context) -> "Message":
        from include.alerts.message import Message

        task = context["ti"]
        run = RunRef(task.dag_id, task.run_id, task.try_number)
        return Message(
            severity="warning",
            subject=f"{run.dag_id}: the training shows something to look at",
            error=self.said,
            what_to_do="Look at its losses by epoch and its parameters in MLflow. The gates judge it all the same.",
            model=self.model or "",
            dag_id=run.dag_id,
            run_id=run.run_id,
            task_id=task.task_id,
            try_number=run.try_number,
            link=getattr(task, "log_url", ""),
            raised_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def warn_of(model: Model, said: str) -> None:
    """Tell, from within a task; nothing when there is nothing to tell."""
    if said:
        TrainingWarningNotifier(model.name, model.alerts, said).notify(get_current_context())
