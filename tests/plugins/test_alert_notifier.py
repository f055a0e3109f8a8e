"""A failed task is told by web hook and by mail, through real servers on loopback, and written into the journal."""

import json
import socket
from collections.abc import Iterator
from email import message_from_bytes
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler
from almanac.notifiers.alert import AlertNotifier

from demo.sink import WebhookSink
from include.config.home import Home
from include.config.schema import Alerts
from include.errors import DataError
from include.journal.journal import Journal

WEBHOOK, SMTP = "almanac_webhook", "almanac_smtp"


def context(error: BaseException | None) -> dict[str, Any]:
    task = SimpleNamespace(
        dag_id="ingest_weather", run_id="manual__1", task_id="report_rejections", try_number=2, log_url="http://x/log"
    )
    return {"ti": task, **({"exception": error} if error else {})}


@pytest.fixture
def journal(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    return Journal(Home().journal_url)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookSink]:
    with WebhookSink() as receiver:
        monkeypatch.setenv(f"AIRFLOW_CONN_{WEBHOOK.upper()}", receiver.connection)
        yield receiver


class Mailbox(MailHandler):
    """Keeps the mails that the SMTP server received."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append(message_from_bytes(message.as_bytes()))


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    extra = {"from_email": "almanac@port.example", "disable_ssl": True, "disable_tls": True}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{SMTP.upper()}", json.dumps(connection))
    yield box
    server.stop()


def test_notifier_failure_reaches_webhook_and_mailbox_and_journal(
    journal: Journal, sink: WebhookSink, mailbox: Mailbox
) -> None:
    alerts = Alerts(webhook_connection=WEBHOOK, smtp_connection=SMTP, recipients=("ops@port.example",))
    AlertNotifier("weather", alerts)(context(DataError("weather_2024-02.csv: no column Pressure_millibars")))
    assert sink.received[0]["task_id"] == "report_rejections"
    assert sink.received[0]["try_number"] == 2
    assert sink.received[0]["link"] == "http://x/log"
    assert "Pressure_millibars" in sink.received[0]["error"]
    assert sink.received[0]["what_to_do"]
    (mail,) = mailbox.mails
    assert mail["To"] == "ops@port.example"
    assert "report_rejections failed" in mail["Subject"]
    assert {alert.channel: alert.delivered for alert in journal.alerts("weather")} == {"webhook": True, "smtp": True}


def test_notifier_receiver_that_refuses_is_recorded_and_stops_no_other_channel(
    journal: Journal, sink: WebhookSink, mailbox: Mailbox
) -> None:
    sink.token = "another"
    alerts = Alerts(webhook_connection=WEBHOOK, smtp_connection=SMTP, recipients=("ops@port.example",))
    AlertNotifier("weather", alerts)(context(DataError("bad")))
    assert len(mailbox.mails) == 1
    refused = next(alert for alert in journal.alerts("weather") if alert.channel == "webhook")
    assert not refused.delivered
    assert "answered 401" in refused.error


def test_notifier_no_connection_goes_to_the_log(journal: Journal) -> None:
    AlertNotifier("weather", Alerts(webhook_connection="not_there"))(context(DataError("bad")))
    (alert,) = journal.alerts("weather")
    assert (alert.channel, alert.delivered) == ("log", True)


def test_notifier_killed_process_says_so(journal: Journal) -> None:
    AlertNotifier("weather")(context(None))
    assert "was it killed?" in journal.alerts("weather")[0].text


def test_notifier_secret_in_the_error_reaches_nobody(journal: Journal, sink: WebhookSink) -> None:
    AlertNotifier("weather", Alerts(webhook_connection=WEBHOOK))(
        context(DataError("postgresql://a:s3cret@db/x is down"))
    )
    assert "s3cret" not in str(sink.received)
    assert "s3cret" not in journal.alerts("weather")[0].text
