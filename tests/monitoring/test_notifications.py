"""What a monitor found is told once while it lasts, as `monitor.actions` declares, and its end is told."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.config.files.loader import load_models
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.alerts import Channel
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.monitoring.findings import Condition, Finding, State
from almanac.monitoring.notifications import notify_findings
from almanac.monitoring.result import MonitorResult, MonitorVerdict

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = RunRef("monitor_weather", "manual__1", 1)


@dataclass
class Outbox:
    """Keeps what is sent."""

    sent: list[Message] = field(default_factory=list)

    def reaches(self, channel: Channel) -> bool:
        return bool(channel.connection)

    def send(self, channel: Channel, message: Message) -> None:
        self.sent.append(message)


@pytest.fixture
def model() -> Model:
    return load_models(MODELS_FOLDER).models[0]


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def notifier(tmp_path: Path, outbox: Outbox) -> Notifier:
    return Notifier(Journal(f"sqlite:///{tmp_path}/journal.db"), outbox, print, RUN)


def result(*findings: Finding) -> MonitorResult:
    return MonitorResult(
        "weather", MonitorVerdict.QUIET, ("none",), NOON, findings, report_uri="reports/weather/1.html"
    )


def tell(model: Model, notifier: Notifier, *findings: Finding, day: int = 0) -> None:
    now = NOON + timedelta(days=day)
    notify_findings(model, result(*findings), notifier, run=RUN, link="http://airflow/run", now=now)


ALARM = Finding(Condition.PERFORMANCE, State.ALARM, "f1_macro", "f1_macro .63, was .83, allowed loss .05")
FINE = replace(ALARM, state=State.FINE)
UNKNOWN = replace(ALARM, state=State.INSUFFICIENT)


def test_notify_findings_alarm_is_reported_once_with_figures_report_and_runbook(model, notifier, outbox):
    for _ in range(3):
        tell(model, notifier, ALARM)

    (message,) = outbox.sent
    assert message.severity == "critical"
    assert message.error == "f1_macro .63, was .83, allowed loss .05\nA retrain is requested."
    assert message.report == "reports/weather/1.html"
    assert message.runbook == "docs/operations.md#alert-performance"


def test_notify_findings_fine_again_is_reported_and_too_few_rows_end_nothing(model, notifier, outbox):
    for day, finding in enumerate((ALARM, UNKNOWN, FINE)):
        tell(model, notifier, finding, day=day)

    assert [message.subject for message in outbox.sent] == [
        "weather: performance of f1_macro: alarm",
        "over: weather: performance of f1_macro: alarm",
    ]


def test_notify_findings_drift_does_not_notify_anybody(model, notifier, outbox):
    tell(model, notifier, Finding(Condition.DRIFT, State.ALARM, "Pressure_millibars", "KS .31, limit .10"))

    assert [message.severity for message in outbox.sent] == ["warning"]


def test_notify_findings_condition_that_does_not_notify_is_not_reported(model, notifier, outbox):
    actions = model.monitor.actions.model_copy(update={"performance": ("retrain",)})
    quiet = model.model_copy(update={"monitor": model.monitor.model_copy(update={"actions": actions})})

    tell(quiet, notifier, ALARM)

    assert outbox.sent == []


def drift(*columns: str, state: State = State.WARNING) -> list[Finding]:
    return [Finding(Condition.DRIFT, state, name, f"{name}: KS .31, limit .10") for name in columns]


def test_notify_findings_columns_that_drift_together_are_one_message(model, notifier, outbox):
    tell(model, notifier, *drift("Humidity", "Visibility_km"), *drift("Pressure_millibars", state=State.ALARM))

    (message,) = outbox.sent
    assert message.subject == "weather: drift of Pressure_millibars, Humidity, Visibility_km: alarm"
    assert [line.split(":")[0] for line in message.error.splitlines()] == [
        "Pressure_millibars",
        "Humidity",
        "Visibility_km",
        "A retrain is requested.",
    ]


def test_notify_findings_one_more_column_or_an_alarm_is_reported_again_and_fewer_are_not(model, notifier, outbox):
    tell(model, notifier, *drift("Humidity"))
    tell(model, notifier, *drift("Humidity", "Visibility_km"))
    tell(model, notifier, *drift("Humidity"))
    tell(model, notifier, *drift("Humidity", "Visibility_km"))
    tell(model, notifier, *drift("Humidity", state=State.ALARM))

    assert [message.subject for message in outbox.sent] == [
        "weather: drift of Humidity: warning",
        "weather: drift of Humidity, Visibility_km: warning",
        "weather: drift of Humidity: alarm",
    ]
    assert outbox.sent[-1].times == 5


def test_notify_findings_performance_that_becomes_an_alarm_is_reported_although_somebody_took_on_the_warning(
    model, notifier, outbox, tmp_path
):
    tell(model, notifier, replace(ALARM, state=State.WARNING))
    log = AlertLog(Journal(f"sqlite:///{tmp_path}/journal.db"))
    log.acknowledge(log.recent()[0].id, "ann", NOON)
    tell(model, notifier, ALARM, day=1)

    assert [message.severity for message in outbox.sent] == ["warning", "critical"]
    assert log.recent()[0].acknowledged_by == ""


def test_notify_findings_drift_ends_only_when_all_columns_are_compared_again(model, notifier, outbox):
    unknown = Finding(Condition.DRIFT, State.INSUFFICIENT, "columns", "3 of 9 columns were not compared")
    quiet = replace(unknown, state=State.FINE)
    for day, finding in enumerate((*drift("Humidity"), unknown, quiet)):
        tell(model, notifier, finding, day=day)

    assert [message.subject for message in outbox.sent] == [
        "weather: drift of Humidity: warning",
        "over: weather: drift of Humidity: warning",
    ]
    assert "to 2026-11-23" in outbox.sent[-1].error


def test_notify_findings_report_is_a_link_where_the_run_is_one(model, notifier, outbox):
    link = "https://airflow.example/sub/dags/monitor_weather/runs/r/tasks/watch"
    notify_findings(model, result(ALARM), notifier, run=RUN, link=link, now=NOON)

    (message,) = outbox.sent
    assert message.report == "https://airflow.example/sub/almanac/models/weather/reports/1.html"
    assert f'<a href="{message.report}">' in message.html


@pytest.mark.parametrize("condition", list(Condition))
def test_notify_findings_every_condition_says_what_to_do(condition, model, notifier, outbox):
    tell(model, notifier, Finding(condition, State.ALARM, "x", "x: .9, limit .1"))

    assert len(outbox.sent[0].what_to_do) > 40


def batches(rejected: float, aside: float) -> Finding:
    figures = {"rejected": rejected, "quarantined": aside}
    return Finding(Condition.QUALITY, State.ALARM, "batches", "1 of 3 batches were rejected", figures)


@pytest.mark.parametrize(("aside", "told"), [(0.0, False), (0.5, True)])
def test_notify_findings_rejected_files_that_people_know_of_are_not_reported_once_more(
    aside: float, told: bool, model: Model, notifier: Notifier, outbox: Outbox
) -> None:
    known = event_message(
        "rejection",
        severity="critical",
        model="weather",
        subject="a.csv was rejected",
        words="x",
        what_to_do="x",
        run=RUN,
        now=NOON,
    )
    notifier.open(model.alerts, known, "rejection", "ingest_weather.report_rejections", NOON)
    tell(model, notifier, batches(0.33, aside))
    assert any("quality" in message.subject for message in outbox.sent) is told


def test_notify_findings_rejected_files_of_which_nothing_lasts_are_reported(
    model: Model, notifier: Notifier, outbox: Outbox
) -> None:
    tell(model, notifier, batches(0.33, 0.0))
    assert any("quality" in message.subject for message in outbox.sent)


def unknown(*columns: str) -> Finding:
    text = f"{len(columns)} columns were not compared"
    return Finding(Condition.DRIFT, State.INSUFFICIENT, "columns", text, about=columns)


def test_notify_findings_alert_does_not_wait_for_columns_that_it_is_not_about(model, notifier, outbox):
    tell(model, notifier, *drift("Humidity"))
    tell(model, notifier, unknown("Pressure_millibars"), day=1)

    assert outbox.sent[-1].subject == "over: weather: drift of Humidity: warning"


def test_notify_findings_alert_lasts_while_its_column_cannot_be_judged(model, notifier, outbox):
    tell(model, notifier, *drift("Humidity"))
    tell(model, notifier, unknown("Pressure_millibars", "Humidity"), day=1)

    assert len([message for message in outbox.sent if message.subject.startswith("over")]) == 0


def test_notify_findings_names_what_could_not_be_judged_beside_what_is_reported(model, notifier, outbox):
    tell(model, notifier, *drift("Humidity"), unknown("Pressure_millibars"))

    assert "Not judged: 1 columns were not compared" in outbox.sent[0].error


def test_notify_findings_insufficient_alone_notifies_nobody(model, notifier, outbox):
    tell(model, notifier, unknown("Pressure_millibars"))

    assert outbox.sent == []
