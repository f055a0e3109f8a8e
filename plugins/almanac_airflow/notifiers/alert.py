"""The notifiers of Airflow's callbacks: what failed, was retried, waits, is over."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.context import Context

from almanac.config.schema import Model
from almanac.config.sections.alerts import AlertKind, Alerts
from almanac.journal.records import RunRef
from almanac_airflow.notifiers.channels import teller

if TYPE_CHECKING:
    from almanac.alerts.message import Message

_SUBJECTS: dict[AlertKind, str] = {
    "failure": "failed",
    "retry": "failed and is tried again",
    "end": "ended",
    "start": "started",
}


class AlertNotifier(BaseNotifier):
    """Tells people what happened to a task, by the channels that the model declares, and writes it into the journal.

    A failure lasts until the same task succeeds, or finds nothing to do and is skipped: while it lasts it is told once,
    then counted.

    Args:
        model: whose; None: nobody's.
        alerts: who is told; None: log and journal only.
        kind: what the callback means: failure, retry, start or end.
    """

    def __init__(self, model: str | None, alerts: Alerts | None = None, kind: AlertKind = "failure") -> None:
        super().__init__()
        self.model = model
        self.alerts = alerts or Alerts()
        self.kind = kind

    def notify(self, context: Context) -> None:
        """Tell it, unless the model is silent about this kind."""
        if self.kind == "failure" and self._tells_rejections(context):
            return
        if self.kind in self.alerts.silent:
            return
        message, run, key = _message(self.model, self.kind, context), _run(context), _key(context, self.kind)
        now = datetime.now(UTC)
        if self.kind == "failure":
            teller(run).seen(self.alerts, message, self.kind, key, now)
        else:
            teller(run).happened(self.alerts, message, self.kind, key, now)

    def _tells_rejections(self, context: Context) -> bool:
        """Whether the task has done its work and failed on purpose; then the files last, not the task's failure."""
        from almanac.data.ingest.ingest import RejectedFilesError
        from almanac.health.rejections import rejection_message

        error = context.get("exception")
        if not isinstance(error, RejectedFilesError):
            return False
        run, task, now = _run(context), context["ti"], datetime.now(UTC)
        message = rejection_message(
            self.model or "", error.rejected, words=str(error), run=run, task_id=task.task_id,
            link=getattr(task, "log_url", ""), now=now,
        )  # fmt: skip
        # Of a kind that is silent it is written down all the same: who looks for failures without a word must find it.
        teller(run).seen(self.alerts, message, "rejection", _key(context, "failure"), now)
        return True


class ApprovalNotifier(BaseNotifier):
    """Tells people that their answer is waited for; for the `notifiers` of a human-in-the-loop operator.

    Args:
        model: whose version or alarm.
        alerts: who is told.
        silence: what no answer means, in words.
    """

    def __init__(self, model: str, alerts: Alerts, *, silence: str = "a no") -> None:
        super().__init__()
        self.model = model
        self.alerts = alerts
        self.silence = silence

    def notify(self, context: Context) -> None:
        """Tell it; it lasts until `EndNotifier` sees the answer."""
        from almanac.alerts.message import approval_message

        task, operator = context["ti"], context["task"]
        deadline = operator.hitl_summary.get("timeout_datetime")
        message = approval_message(
            model=self.model,
            run=_run(context),
            task_id=task.task_id,
            question=operator.subject,
            deadline=f"until {deadline}" if deadline else "without a deadline",
            silence=self.silence,
            link=operator.generate_link_to_ui(task_instance=task),
            now=datetime.now(UTC),
        )
        key, now = _key(context, "approval"), datetime.now(UTC)
        teller(_run(context)).seen(self.alerts, message, "approval", key, now)


class EndNotifier(BaseNotifier):
    """Ends what lasted until a task ended well, its failure or its waiting, and tells those who were told of it.

    A failure ends with a run about the same thing: the next window says nothing of the one that failed.

    Args:
        model: whose; None: nobody's.
        alerts: who was told.
        kind: failure or approval.
    """

    def __init__(self, model: str | None, alerts: Alerts | None = None, kind: AlertKind = "failure") -> None:
        super().__init__()
        self.model = model
        self.alerts = alerts or Alerts()
        self.kind = kind

    def notify(self, context: Context) -> None:
        """End it, if it was open."""
        from almanac.alerts.about import covers

        key, now, tells, model = _key(context, self.kind), datetime.now(UTC), teller(_run(context)), self.model or ""
        if self.kind == "failure":
            done = _about(context)
            tells.resolved(self.alerts, model, self.kind, key, lambda failed: covers(done, failed), now)
        else:
            tells.ended(self.alerts, model, self.kind, key, now)


def callbacks(model: str | None, alerts: Alerts) -> dict[str, Any]:
    """Airflow's callbacks of every task: only those of which somebody is told, or by which a failure ends.

    A task that skips itself has looked and found nothing to do; one whose upstream was skipped has not run, and Airflow
    calls nothing: its failure lasts.

    Args:
        model: whose tasks; None: the whole installation's.
        alerts: who is told, and of what.
    """
    told: dict[str, AlertKind] = {
        "on_execute_callback": "start",
        "on_success_callback": "end",
        "on_retry_callback": "retry",
    }
    found: dict[str, Any] = {
        name: [AlertNotifier(model, alerts, kind)] for name, kind in told.items() if kind not in alerts.silent
    }
    end = EndNotifier(model, alerts)
    found["on_success_callback"] = [end, *found.get("on_success_callback", [])]
    return {**found, "on_skipped_callback": [end], "on_failure_callback": AlertNotifier(model, alerts)}


def answered(model: Model) -> list[BaseNotifier]:
    """The callbacks of a question whose task has succeeded: neither its waiting nor an earlier failure lasts."""
    usual: list[BaseNotifier] = callbacks(model.name, model.alerts)["on_success_callback"]
    return [*usual, EndNotifier(model.name, model.alerts, "approval")]


def _run(context: Context) -> RunRef:
    task: Any = context["ti"]
    return RunRef(task.dag_id, task.run_id, task.try_number)


def _key(context: Context, kind: AlertKind) -> str:
    """What is one condition: a failure is the task's, whichever run; all else is the run's own."""
    from almanac.alerts.message import failure_key

    task: Any = context["ti"]
    key = failure_key(task.dag_id, task.task_id)
    return key if kind == "failure" else f"{key} {task.run_id}"


def _about(context: Context) -> str:
    from almanac.alerts.about import about

    dag_run: Any = context.get("dag_run")
    return about(getattr(dag_run, "partition_key", None), getattr(dag_run, "conf", None))


def _message(model: str | None, kind: AlertKind, context: Context) -> "Message":
    from almanac.alerts.message import KILLED, event_message, failure_message

    task: Any = context["ti"]
    error: Any = context.get("exception") or context.get("reason") or KILLED
    run, link, now = _run(context), getattr(task, "log_url", ""), datetime.now(UTC)
    if kind == "failure":
        return failure_message(model=model, run=run, task_id=task.task_id, error=error, link=link, now=now,
                               about=_about(context))  # fmt: skip
    words = str(error) if kind == "retry" else f"Try {task.try_number}."
    return event_message(
        kind, severity="info", model=model or "", subject=f"{run.dag_id}: {task.task_id} {_SUBJECTS[kind]}",
        words=words, what_to_do="Nothing.", run=run, now=now, task_id=task.task_id, link=link,
    )  # fmt: skip
