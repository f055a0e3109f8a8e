"""The notifiers of Airflow's callbacks: a task failed, was retried, waits for a person, succeeded."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.context import Context

from almanac.config.schema import Model
from almanac.config.sections.alerts import AlertKind, Alerts
from almanac.journal.records import RunRef
from almanac_airflow.notifiers.channels import notifier

if TYPE_CHECKING:
    from almanac.alerts.message import Message

_SUBJECTS: dict[AlertKind, str] = {
    "failure": "failed",
    "retry": "failed and is retried",
    "end": "ended",
    "start": "started",
}


class AlertNotifier(BaseNotifier):
    """Sends what happened to a task by the channels that the model declares, and records it in the journal.

    A failure lasts until the same task succeeds, or finds nothing to do and is skipped: it is sent once, then counted.

    Args:
        model: whose; None: the installation's.
        alerts: the channels; None: log and journal only.
        kind: what the callback means: failure, retry, start or end.
    """

    def __init__(self, model: str | None, alerts: Alerts | None = None, kind: AlertKind = "failure") -> None:
        super().__init__()
        self.model = model
        self.alerts = alerts or Alerts()
        self.kind = kind

    def notify(self, context: Context) -> None:
        """Send it, unless the model silences this kind."""
        if self.kind == "failure" and self._sends_rejection(context):
            return
        if self.kind in self.alerts.silent:
            return
        message, run, key = _message(self.model, self.kind, context), _run(context), _key(context, self.kind)
        now = datetime.now(UTC)
        if self.kind == "failure":
            notifier(run).open(self.alerts, message, self.kind, key, now)
        else:
            notifier(run).notify_once(self.alerts, message, self.kind, key, now)

    def _sends_rejection(self, context: Context) -> bool:
        """Whether the task failed only to report rejected files: then it sends an alert about these."""
        from almanac.data.ingest.ingest import RejectedFilesError
        from almanac.health.rejections import rejection_message

        error = context.get("exception")
        if not isinstance(error, RejectedFilesError):
            return False
        run, task, now = _run(context), context["ti"], datetime.now(UTC)
        message = rejection_message(
            self.model or "",
            error.rejected,
            words=str(error),
            run=run,
            task_id=task.task_id,
            link=getattr(task, "log_url", ""),
            now=now,
        )
        # Recorded even when the kind is silenced: else the search for unreported failures would report it.
        notifier(run).open(self.alerts, message, "rejection", _key(context, "failure"), now)
        return True


class ApprovalNotifier(BaseNotifier):
    """Sends the question of a human-in-the-loop operator, for its `notifiers`.

    Args:
        model: whose version or alarm.
        alerts: the channels.
        silence: what no answer means, in words.
    """

    def __init__(self, model: str, alerts: Alerts, *, silence: str = "a no") -> None:
        super().__init__()
        self.model = model
        self.alerts = alerts
        self.silence = silence

    def notify(self, context: Context) -> None:
        """Send it; the alert lasts until `EndNotifier` sees the answer."""
        from almanac.alerts.message import approval_message

        task, operator = context["ti"], context["task"]
        until = operator.hitl_summary.get("timeout_datetime")
        deadline = datetime.fromisoformat(until).astimezone(UTC) if until else None
        message = approval_message(
            model=self.model,
            run=_run(context),
            task_id=task.task_id,
            question=operator.subject,
            deadline=f"until {deadline:%Y-%m-%d %H:%M} UTC" if deadline else "without a deadline",
            silence=self.silence,
            link=operator.generate_link_to_ui(task_instance=task),
            now=datetime.now(UTC),
        )
        key, now = _key(context, "approval"), datetime.now(UTC)
        notifier(_run(context)).open(self.alerts, message, "approval", key, now)


class EndNotifier(BaseNotifier):
    """Resolves the alert that lasts until a task succeeds, and notifies those who got it.

    A failure ends with a run about the same thing: the run of the next window says nothing of the one that failed.

    Args:
        model: whose; None: the installation's.
        alerts: the channels.
        kind: failure or approval.
        tasks: those of the run whose failures end; none: the running task's.
    """

    def __init__(
        self,
        model: str | None,
        alerts: Alerts | None = None,
        kind: AlertKind = "failure",
        *,
        tasks: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.alerts = alerts or Alerts()
        self.kind = kind
        self.tasks = tasks

    def notify(self, context: Context) -> None:
        """Resolve it, if it is open."""
        from almanac.alerts.message import failure_key
        from almanac.alerts.run_scope import covers

        now, send, model = datetime.now(UTC), notifier(_run(context)), self.model or ""
        if self.kind != "failure":
            send.resolve(self.alerts, model, self.kind, _key(context, self.kind), now)
            return
        done, task = _scope_of(context), context["ti"]
        for name in self.tasks or (task.task_id,):
            key = failure_key(task.dag_id, name)
            send.resolve_parts(self.alerts, model, self.kind, key, lambda failed: covers(done, failed), now)


def callbacks(model: str | None, alerts: Alerts) -> dict[str, Any]:
    """Airflow's callbacks of every task: those that send something, or that resolve a failure.

    A task that skips itself has found nothing to do; `branching.start_only` says so of a task that another one skips.
    One whose upstream was skipped has not run, and Airflow calls nothing: its failure lasts.

    Args:
        model: whose tasks; None: the whole installation's.
        alerts: the channels, and what is silenced.
    """
    kinds: dict[str, AlertKind] = {
        "on_execute_callback": "start",
        "on_success_callback": "end",
        "on_retry_callback": "retry",
    }
    found: dict[str, Any] = {
        name: [AlertNotifier(model, alerts, kind)] for name, kind in kinds.items() if kind not in alerts.silent
    }
    end = EndNotifier(model, alerts)
    found["on_success_callback"] = [end, *found.get("on_success_callback", [])]
    return {**found, "on_skipped_callback": [end], "on_failure_callback": AlertNotifier(model, alerts)}


def end_of_approval(model: Model) -> list[BaseNotifier]:
    """The callbacks of a question whose task succeeded: neither the question nor an earlier failure stays open."""
    usual: list[BaseNotifier] = callbacks(model.name, model.alerts)["on_success_callback"]
    return [*usual, EndNotifier(model.name, model.alerts, "approval")]


def _run(context: Context) -> RunRef:
    task: Any = context["ti"]
    return RunRef(task.dag_id, task.run_id, task.try_number)


def _key(context: Context, kind: AlertKind) -> str:
    """Which alerts are the same: a failure is the task's, in whichever run; all else is the run's own."""
    from almanac.alerts.message import failure_key

    task: Any = context["ti"]
    key = failure_key(task.dag_id, task.task_id)
    return key if kind == "failure" else f"{key} {task.run_id}"


def _scope_of(context: Context) -> str:
    from almanac.alerts.run_scope import scope_of

    dag_run: Any = context.get("dag_run")
    return scope_of(getattr(dag_run, "partition_key", None), getattr(dag_run, "conf", None))


def _message(model: str | None, kind: AlertKind, context: Context) -> "Message":
    from almanac.alerts.message import KILLED, event_message, failure_message

    task: Any = context["ti"]
    error: Any = context.get("exception") or context.get("reason") or KILLED
    run, link, now = _run(context), getattr(task, "log_url", ""), datetime.now(UTC)
    if kind == "failure":
        return failure_message(
            model=model, run=run, task_id=task.task_id, error=error, link=link, now=now, about=_scope_of(context)
        )
    words = str(error) if kind == "retry" else f"Try {task.try_number}."
    return event_message(
        kind,
        severity="info",
        model=model or "",
        subject=f"{run.dag_id}: {task.task_id} {_SUBJECTS[kind]}",
        words=words,
        what_to_do="Nothing.",
        run=run,
        now=now,
        task_id=task.task_id,
        link=link,
    )
