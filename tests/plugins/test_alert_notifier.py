"""A failed task is told by web hook and by mail, through real servers on loopback, and written into the journal."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.config.files.loader import load_models
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.sections.alerts import Alerts
from almanac.data.ingest.ingest import RejectedFilesError, raise_rejections
from almanac.errors import DamagedDatabaseError, DataError
from almanac.journal.journal import Journal
from almanac_airflow.notifiers.alert import AlertNotifier, EndNotifier, callbacks
from almanac_airflow.notifiers.late import deadline_of, tell_late
from demo.sink import WebhookSink
from tests.servers.mail import Mailbox, mail_server

WEBHOOK, SMTP, APPRISE = "almanac_webhook", "almanac_smtp", "almanac_apprise"
CHANNELS: dict[str, dict[str, Any]] = {
    "webhook": {"kind": "webhook", "connection": WEBHOOK},
    "smtp": {"kind": "smtp", "connection": SMTP, "recipients": ["ops@port.example"]},
    "apprise": {"kind": "apprise", "connection": APPRISE},
}


NOWHERE = Alerts.model_validate({"channels": {"x": {"kind": "webhook", "connection": "not_there"}}})


def by(*names: str, **more: Any) -> Alerts:
    return Alerts.model_validate({"channels": {name: CHANNELS[name] for name in names}, **more})


def context(error: BaseException | None, **run: Any) -> dict[str, Any]:
    """Of a task; `run` is what its run is about: a partition key, a form."""
    task = SimpleNamespace(
        dag_id="ingest_weather", run_id="manual__1", task_id="report_rejections", try_number=2, log_url="http://x/log"
    )
    dag_run = SimpleNamespace(**{"partition_key": None, "conf": {}, **run})
    return {"ti": task, "dag_run": dag_run, **({"exception": error} if error else {})}


@pytest.fixture
def journal(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    return Journal(Home().journal_url)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookSink]:
    with WebhookSink() as receiver:
        monkeypatch.setenv(f"AIRFLOW_CONN_{WEBHOOK.upper()}", receiver.connection)
        yield receiver


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mail_server() as box:
        monkeypatch.setenv(f"AIRFLOW_CONN_{SMTP.upper()}", box.connection)
        yield box


def test_notifier_failure_reaches_people_while_the_journal_is_damaged(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, sink: WebhookSink
) -> None:
    """Airflow calls it for every red task, the round of `alerts` among them: the second one is within the hour."""
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    (tmp_path / "journal.db").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(DamagedDatabaseError, match="'journal' is damaged"):
            AlertNotifier("weather", by("webhook")).notify(context(DataError("no column x")))

    (received,) = sink.received
    assert "no column x" in received["error"]
    assert "almanac restore database/journal --live --replace" in received["error"]


def test_notifier_failure_reaches_webhook_and_mailbox_and_journal(
    journal: Journal, sink: WebhookSink, mailbox: Mailbox
) -> None:
    alerts = by("webhook", "smtp")
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
    alerts = by("webhook", "smtp")
    AlertNotifier("weather", alerts)(context(DataError("bad")))
    assert [mail["Subject"] for mail in mailbox.mails] == [
        "ingest_weather: report_rejections failed",
        "alerts by webhook do not arrive",
    ]
    refused = next(alert for alert in journal.alerts("weather") if alert.channel == "webhook")
    assert not refused.delivered
    assert "answered 401" in refused.error


def test_notifier_no_connection_goes_to_the_log(journal: Journal) -> None:
    AlertNotifier(
        "weather", Alerts.model_validate({"channels": {"x": {"kind": "webhook", "connection": "not_there"}}})
    )(context(DataError("bad")))
    (alert,) = journal.alerts("weather")
    assert (alert.channel, alert.delivered) == ("log", True)


def test_notifier_killed_process_says_so(journal: Journal) -> None:
    AlertNotifier("weather")(context(None))
    assert "was it killed?" in journal.alerts("weather")[0].text


def test_notifier_secret_in_the_error_reaches_nobody(journal: Journal, sink: WebhookSink) -> None:
    AlertNotifier("weather", by("webhook"))(context(DataError("postgresql://a:s3cret@db/x is down")))
    assert "s3cret" not in str(sink.received)
    assert "s3cret" not in journal.alerts("weather")[0].text


def test_notifier_same_task_fails_again_is_counted_and_its_success_ends_it(journal: Journal, sink: WebhookSink) -> None:
    for words in ("first", "second"):
        AlertNotifier("weather", by("webhook"))(context(DataError(words)))
    EndNotifier("weather", by("webhook"))(context(None))
    EndNotifier("weather", by("webhook"))(context(None))

    assert [each["subject"] for each in sink.received] == [
        "ingest_weather: report_rejections failed",
        "over: ingest_weather: report_rejections failed",
    ]
    (alert,) = AlertLog(journal).recent()
    assert alert.times == 2
    assert "second" in alert.message.error


def test_notifier_rejected_files_are_reported_as_such_and_no_later_success_ends_them(
    journal: Journal, sink: WebhookSink
) -> None:
    rejected = [{"uri": "file:///landing/weather/a.csv", "reasons": ["no column x"], "report_uri": "file:///a.html"}]
    with pytest.raises(RejectedFilesError) as raised:
        raise_rejections(load_models(MODELS_FOLDER).models[0], rejected)
    AlertNotifier("weather", by("webhook"))(context(raised.value))
    EndNotifier("weather", by("webhook"))(context(None))

    assert [(each["subject"], each["runbook"]) for each in sink.received] == [
        ("weather: a.csv was rejected", "docs/operations.md#alert-rejection")
    ]
    assert "no column x" in sink.received[0]["error"]
    (alert,) = AlertLog(journal).recent()
    assert (alert.kind, alert.ended_at) == ("rejection", None)


def test_notifier_rejections_that_nobody_is_notified_of_are_written_down(journal: Journal, sink: WebhookSink) -> None:
    """Else who looks for failures without a word would tell them as a process that died."""
    error = RejectedFilesError("bad", [{"uri": "file:///a.csv"}])
    AlertNotifier("weather", by("webhook", silent=["rejection"]))(context(error))

    assert sink.received == []
    assert len(AlertLog(journal).recent()) == 1


@pytest.mark.parametrize(
    ("failed", "done"),
    [
        ({"partition_key": "2026-01-01"}, {"partition_key": "2026-01-02"}),
        ({}, {"conf": {"dry_run": True}}),
        ({"conf": {"version": "3"}}, {"conf": {"version": "4"}}),
    ],
)
def test_notifier_success_about_another_thing_ends_no_failure(
    failed: dict[str, Any], done: dict[str, Any], journal: Journal, sink: WebhookSink
) -> None:
    AlertNotifier("weather", by("webhook"))(context(DataError("bad"), **failed))
    EndNotifier("weather", by("webhook"))(context(None, **done))
    assert len(sink.received) == 1

    EndNotifier("weather", by("webhook"))(context(None, **failed))
    assert sink.received[-1]["subject"] == "over: ingest_weather: report_rejections failed"


@pytest.mark.parametrize("well", ["on_success_callback", "on_skipped_callback"])
def test_callbacks_of_no_model_notify_a_failure_and_its_end(well: str, journal: Journal, sink: WebhookSink) -> None:
    found = callbacks(None, by("webhook"))
    found["on_failure_callback"](context(DataError("the place is full")))
    for notifier in found[well]:
        notifier(context(None))

    assert [each["subject"] for each in sink.received] == [
        "ingest_weather: report_rejections failed",
        "over: ingest_weather: report_rejections failed",
    ]
    assert AlertLog(journal).recent()[0].ended_at is not None


@pytest.mark.parametrize("kind", ["start", "retry", "end"])
def test_notifier_kinds_that_are_silent_by_default_are_reported_when_switched_on(
    kind: Any, journal: Journal, sink: WebhookSink
) -> None:
    AlertNotifier("weather", by("webhook"), kind)(context(DataError("again")))
    assert sink.received == []

    AlertNotifier("weather", by("webhook", silent=[], routes={"info": ["webhook"]}), kind)(context(DataError("again")))
    assert [each["runbook"] for each in sink.received] == [f"docs/operations.md#alert-{kind}"]


def test_notifier_apprise_reaches_the_service_of_the_connection(
    journal: Journal, sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(sink.connection)
    # apprise's own form of a JSON web hook; a header goes by `+name=`
    address = connection["host"].replace("http://", "json://") + f"?+Authorization=Bearer%20{connection['password']}"
    apprise = {"conn_type": "apprise", "extra": {"config": {"path": address, "tag": "alerts"}}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{APPRISE.upper()}", json.dumps(apprise))

    AlertNotifier("weather", by("apprise"))(context(DataError("no column")))

    assert sink.received[0]["title"] == "ingest_weather: report_rejections failed"
    assert "no column" in sink.received[0]["message"]


def test_notifier_apprise_service_that_refuses_is_recorded(
    journal: Journal, sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = json.loads(sink.connection)["host"].replace("http://", "json://")
    apprise = {"conn_type": "apprise", "extra": {"config": {"path": address}}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{APPRISE.upper()}", json.dumps(apprise))

    AlertNotifier("weather", by("apprise"))(context(DataError("no column")))

    refused = next(alert for alert in journal.alerts("weather") if alert.channel == "apprise")
    assert not refused.delivered
    assert "did not take the message" in refused.error


def test_callbacks_are_those_of_which_somebody_is_notified() -> None:
    (model,) = load_models(MODELS_FOLDER).models
    usual = callbacks("weather", model.alerts)

    assert set(usual) == {"on_failure_callback", "on_success_callback", "on_skipped_callback"}
    assert set(callbacks("weather", by("webhook", silent=[]))) == {*usual, "on_execute_callback", "on_retry_callback"}


def test_notify_late_names_run_and_deadline(
    journal: Journal, sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    (model,) = load_models(MODELS_FOLDER).models
    (alert,) = deadline_of(model, "train", timedelta(hours=2))
    run = {"dag_run": {"dag_id": "train_weather", "dag_run_id": "manual__1"}}

    asyncio.run(tell_late(run, **alert.callback.kwargs))

    assert sink.received[0]["subject"] == "train_weather is late"
    assert "2h after it was queued (pipelines.train.deadline)" in sink.received[0]["error"]
    assert deadline_of(model, "train", None) == []
