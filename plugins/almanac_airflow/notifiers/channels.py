"""Sends messages by Airflow's connections: web hooks, mail, and every service that apprise knows."""

import logging
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from almanac.config.sections.alerts import AppriseChannel, Channel, MailChannel, WebhookChannel
from almanac.extras import extra
from almanac_airflow.access.credentials import try_to_load_connections

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from almanac.alerts.message import Message
    from almanac.alerts.notifier import Notifier
    from almanac.journal.records import RunRef

log = logging.getLogger(__name__)


class Connections:
    """The sender of messages; keeps no secret longer than one message."""

    def reaches(self, channel: Channel) -> bool:
        """Whether the channel's connection exists."""
        try:
            BaseHook.get_connection(channel.connection)
        except AirflowNotFoundException:
            log.warning("no Airflow connection %r: alerts do not go there", channel.connection)
            return False
        return True

    def send(self, channel: Channel, message: "Message") -> None:
        """Send by the channel's kind of hook."""
        match channel:
            case WebhookChannel():
                _post(BaseHook.get_connection(channel.connection), message)
            case MailChannel():
                _mail(channel, message)
            case AppriseChannel():
                _apprise(channel, message)


def notifier(run: "RunRef") -> "Notifier":
    """Sends alerts, on behalf of a run."""
    from almanac.alerts.last_resort import LastResort
    from almanac.alerts.notifier import Notifier
    from almanac.config.home import Home
    from almanac.journal.journal import Journal

    try_to_load_connections()  # a callback runs without the task that would have loaded them
    home = Home()
    return Notifier(Journal(home.journal_url), Connections(), log.error, run, LastResort(home.home / "alerts"))


def _post(connection: "Connection", message: "Message") -> None:
    from almanac.alerts.delivery import send_webhook

    headers = {"Authorization": f"Bearer {connection.password}"} if connection.password else {}
    send_webhook(_url(connection), headers, message.payload)


def _url(connection: "Connection") -> str:
    host = connection.host or ""
    if "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'https'}://{host}{port}"


def _mail(channel: MailChannel, message: "Message") -> None:
    with extra("smtp", "an alert by mail"):
        from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id=channel.connection) as hook:
        hook.send_email_smtp(to=list(channel.recipients), subject=message.subject, html_content=message.html)


def _apprise(channel: AppriseChannel, message: "Message") -> None:
    with extra("apprise", "an alert by apprise"):
        from airflow.providers.apprise.hooks.apprise import AppriseHook
        from apprise import Apprise, NotifyType

    from almanac.errors import TransientError

    kinds = {"info": NotifyType.INFO, "warning": NotifyType.WARNING, "critical": NotifyType.FAILURE}
    services, hook = Apprise(), AppriseHook(channel.connection)
    hook.set_config_from_conn(BaseHook.get_connection(channel.connection), services)
    # Not the hook's own `notify`: it does not say whether a service took the message.
    if not services.notify(
        message.text, title=message.subject, notify_type=kinds[message.severity], tag=channel.tag or "all"
    ):
        raise TransientError(f"apprise: a service of {channel.connection} did not take the message; see the log above")
