"""The notifiers: what failed, or waits, goes to the channels that the model declares, and always into the journal."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, BaseNotifier
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowNotFoundException

from include.config.home import Home
from include.config.schema import Alerts
from include.journal.records import RunRef

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from include.alerts.message import Message


class AlertNotifier(BaseNotifier):
    """Tells people that a task has failed for good. A channel that fails is written down and stops no other.

    Args:
        model: whose failure.
        alerts: who is told; None: log and journal only.
    """

    def __init__(self, model: str | None, alerts: Alerts | None = None) -> None:
        super().__init__()
        self.model = model
        self.alerts = alerts or Alerts()

    def notify(self, context: Context) -> None:
        """Send the message to each channel that is declared and whose connection exists; else log it."""
        from include.alerts.delivery import deliver
        from include.journal.journal import Journal

        message, run = self._message(context), _run(context)
        journal = Journal(Home().journal_url)
        for channel, send in list(self._channels(message)) or [("log", lambda: self.log.error("%s", message.text))]:
            deliver(message, channel, send, journal=journal, run=run, now=datetime.now(UTC))

    def _message(self, context: Context) -> "Message":
        return _failure(self.model, context)

    def _channels(self, message: "Message") -> Iterator[tuple[str, Callable[[], object]]]:
        webhook = self._connection(self.alerts.webhook_connection)
        if webhook is not None:
            yield "webhook", lambda: _post(webhook, message)
        smtp = self._connection(self.alerts.smtp_connection)
        if smtp is not None:
            yield "smtp", lambda: _mail(smtp.conn_id, self.alerts.recipients, message)

    def _connection(self, connection_id: str | None) -> "Connection | None":
        if connection_id is None:
            return None
        try:
            return BaseHook.get_connection(connection_id)
        except AirflowNotFoundException:
            self.log.warning("no Airflow connection %r: this alert does not go there", connection_id)
            return None


class ApprovalNotifier(AlertNotifier):
    """Tells people that a version waits for their answer; for the `notifiers` of a human-in-the-loop operator."""

    def _message(self, context: Context) -> "Message":
        from include.alerts.message import approval_message

        task, operator = context["ti"], context["task"]
        deadline = operator.hitl_summary.get("timeout_datetime")
        return approval_message(
            model=self.model or "",
            run=_run(context),
            task_id=task.task_id,
            question=operator.subject,
            deadline=f"until {deadline}" if deadline else "without a deadline",
            link=operator.generate_link_to_ui(task_instance=task),
            now=datetime.now(UTC),
        )


def _run(context: Context) -> RunRef:
    task = context["ti"]
    return RunRef(task.dag_id, task.run_id, task.try_number)


def _failure(model: str | None, context: Context) -> "Message":
    from include.alerts.message import failure_message

    task = context["ti"]
    error: Any = context.get("exception") or context.get("reason") or "the process ended without a word: was it killed?"
    link, now = getattr(task, "log_url", ""), datetime.now(UTC)
    return failure_message(model=model, run=_run(context), task_id=task.task_id, error=error, link=link, now=now)


def _post(connection: "Connection", message: "Message") -> None:
    from include.alerts.delivery import send_webhook

    headers = {"Authorization": f"Bearer {connection.password}"} if connection.password else {}
    send_webhook(_url(connection), headers, message.payload)


def _url(connection: "Connection") -> str:
    host = connection.host or ""
    if "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'https'}://{host}{port}"


def _mail(connection_id: str, recipients: tuple[str, ...], message: "Message") -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id=connection_id) as hook:
        hook.send_email_smtp(to=list(recipients), subject=message.subject, html_content=message.html)
