import io
import json
from dataclasses import asdict

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.config.home import MODELS_FOLDER, Home
from almanac.journal.journal import Journal
from almanac.services.watch.outbox import ServiceAlert
from almanac_airflow.notifiers.service_alert import main
from demo.sink import WebhookSink

ALERT = ServiceAlert("scheduler", "scheduler hung and was restarted", "It gave no sign.", "Nothing.", "critical")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asdict(ALERT))))
    return Home()


def test_main_reports_the_installations_people_and_the_journal(home, monkeypatch):
    with WebhookSink() as sink:
        monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_WEBHOOK", sink.connection)
        main()

    (received,) = sink.received
    assert (received["subject"], received["severity"]) == (ALERT.subject, "critical")
    assert received["runbook"] == "docs/operations.md#alert-service"
    (alert,) = AlertLog(Journal(home.journal_url)).recent()
    assert (alert.kind, alert.key, alert.told_to) == ("service", "scheduler", ("webhook",))
    assert alert.closed_at is not None


def test_main_what_could_not_be_delivered_waits_for_the_next_round(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_WEBHOOK", '{"conn_type": "http", "host": "http://127.0.0.1:9/x"}')
    main()

    open_ = AlertLog(Journal(home.journal_url)).unclosed()
    assert ALERT.subject in {each.message.subject for each in open_}
