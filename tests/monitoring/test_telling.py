"""What a monitor found is told once while it lasts, as `monitor.actions` declares, and its end is told."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.alerts.message import Message
from include.alerts.telling import Teller
from include.config.alerts import Channel
from include.config.home import MODELS_FOLDER
from include.config.loader import load_models
from include.config.schema import Model
from include.journal.journal import Journal
from include.journal.records import RunRef
from include.monitoring.findings import Condition, Finding, State
from include.monitoring.result import MonitorResult, Verdict
from include.monitoring.telling import tell_findings

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
def teller(tmp_path: Path, outbox: Outbox) -> Teller:
    return Teller(Journal(f"sqlite:///{tmp_path}/journal.db"), outbox, print, RUN)


def result(*findings: Finding) -> MonitorResult:
    return MonitorResult("weather", Verdict.QUIET, ("none",), NOON, findings, report_uri="reports/weather/1.html")


def tell(model: Model, teller: Teller, *findings: Finding, day: int = 0) -> None:
    now = NOON + timedelta(days=day)
    tell_findings(model, result(*findings), teller, run=RUN, link="http://airflow/run", now=now)


ALARM = Finding(Condition.PERFORMANCE, State.ALARM, "f1_macro", "f1_macro .63, was .83, allowed loss .05")
FINE = replace(ALARM, state=State.FINE)
UNKNOWN = replace(ALARM, state=State.INSUFFICIENT)


def test_tell_findings_alarm_is_told_once_with_figures_report_and_runbook(model, teller, outbox):
    for _ in range(3):
        tell(model, teller, ALARM)

    (message,) = outbox.sent
    assert (message.severity, message.error) == ("critical", "f1_macro .63, was .83, allowed loss .05")
    assert message.report == "reports/weather/1.html"
    assert message.runbook == "docs/operations.md#alert-performance"


def test_tell_findings_fine_again_is_told_and_too_few_rows_end_nothing(model, teller, outbox):
    for day, finding in enumerate((ALARM, UNKNOWN, FINE)):
        tell(model, teller, finding, day=day)

    assert [message.subject for message in outbox.sent] == [
        "weather: performance of f1_macro: alarm",
        "over: weather: performance of f1_macro: alarm",
    ]


def test_tell_findings_drift_does_not_wake_anybody(model, teller, outbox):
    tell(model, teller, Finding(Condition.DRIFT, State.ALARM, "Pressure_millibars", "KS .31, limit .10"))

    assert [message.severity for message in outbox.sent] == ["warning"]


def test_tell_findings_condition_that_does_not_notify_is_not_told(model, teller, outbox):
    actions = model.monitor.actions.model_copy(update={"performance": ("retrain",)})
    quiet = model.model_copy(update={"monitor": model.monitor.model_copy(update={"actions": actions})})

    tell(quiet, teller, ALARM)

    assert outbox.sent == []
