"""What a monitor found is told once while it lasts, as `monitor.actions` declares, and its end is told."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.alerts.condition_log import ConditionLog
from almanac.alerts.message import Message, event_message
from almanac.alerts.telling import Teller
from almanac.config.files.loader import load_models
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.alerts import Channel
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.monitoring.findings import Condition, Finding, State
from almanac.monitoring.result import MonitorResult, Verdict
from almanac.monitoring.telling import tell_findings

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
    assert message.severity == "critical"
    assert message.error == "f1_macro .63, was .83, allowed loss .05\nA retrain is requested."
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


def drift(*columns: str, state: State = State.WARNING) -> list[Finding]:
    return [Finding(Condition.DRIFT, state, name, f"{name}: KS .31, limit .10") for name in columns]


def test_tell_findings_columns_that_drift_together_are_one_message(model, teller, outbox):
    tell(model, teller, *drift("Humidity", "Visibility_km"), *drift("Pressure_millibars", state=State.ALARM))

    (message,) = outbox.sent
    assert message.subject == "weather: drift of Pressure_millibars, Humidity, Visibility_km: alarm"
    assert [line.split(":")[0] for line in message.error.splitlines()] == [
        "Pressure_millibars", "Humidity", "Visibility_km", "A retrain is requested.",
    ]  # fmt: skip


def test_tell_findings_one_more_column_or_an_alarm_is_told_anew_and_fewer_are_not(model, teller, outbox):
    tell(model, teller, *drift("Humidity"))
    tell(model, teller, *drift("Humidity", "Visibility_km"))
    tell(model, teller, *drift("Humidity"))
    tell(model, teller, *drift("Humidity", "Visibility_km"))
    tell(model, teller, *drift("Humidity", state=State.ALARM))

    assert [message.subject for message in outbox.sent] == [
        "weather: drift of Humidity: warning",
        "weather: drift of Humidity, Visibility_km: warning",
        "weather: drift of Humidity: alarm",
    ]
    assert outbox.sent[-1].times == 5


def test_tell_findings_performance_that_becomes_an_alarm_is_told_although_somebody_took_on_the_warning(
    model, teller, outbox, tmp_path
):
    tell(model, teller, replace(ALARM, state=State.WARNING))
    log = ConditionLog(Journal(f"sqlite:///{tmp_path}/journal.db"))
    log.acknowledge(log.recent()[0].id, "ann", NOON)
    tell(model, teller, ALARM, day=1)

    assert [message.severity for message in outbox.sent] == ["warning", "critical"]
    assert log.recent()[0].acknowledged_by == ""


def test_tell_findings_drift_ends_only_when_all_columns_are_compared_again(model, teller, outbox):
    unknown = Finding(Condition.DRIFT, State.INSUFFICIENT, "columns", "3 of 9 columns were not compared")
    quiet = replace(unknown, state=State.FINE)
    for day, finding in enumerate((*drift("Humidity"), unknown, quiet)):
        tell(model, teller, finding, day=day)

    assert [message.subject for message in outbox.sent] == [
        "weather: drift of Humidity: warning",
        "over: weather: drift of Humidity: warning",
    ]
    assert "to 2026-11-23" in outbox.sent[-1].error


def test_tell_findings_report_is_a_link_where_the_run_is_one(model, teller, outbox):
    link = "https://airflow.example/sub/dags/monitor_weather/runs/r/tasks/watch"
    tell_findings(model, result(ALARM), teller, run=RUN, link=link, now=NOON)

    (message,) = outbox.sent
    assert message.report == "https://airflow.example/sub/almanac/models/weather/reports/1.html"
    assert f'<a href="{message.report}">' in message.html


@pytest.mark.parametrize("condition", list(Condition))
def test_tell_findings_every_condition_says_what_to_do(condition, model, teller, outbox):
    tell(model, teller, Finding(condition, State.ALARM, "x", "x: .9, limit .1"))

    assert len(outbox.sent[0].what_to_do) > 40


def batches(rejected: float, aside: float) -> Finding:
    figures = {"rejected": rejected, "quarantined": aside}
    return Finding(Condition.QUALITY, State.ALARM, "batches", "1 of 3 batches were rejected", figures)


@pytest.mark.parametrize(("aside", "told"), [(0.0, False), (0.5, True)])
def test_tell_findings_rejected_files_that_people_know_of_are_not_told_once_more(
    aside: float, told: bool, model: Model, teller: Teller, outbox: Outbox
) -> None:
    known = event_message(
        "rejection", severity="critical", model="weather", subject="a.csv was rejected", words="x", what_to_do="x",
        run=RUN, now=NOON,
    )  # fmt: skip
    teller.seen(model.alerts, known, "rejection", "ingest_weather.report_rejections", NOON)
    tell(model, teller, batches(0.33, aside))
    assert any("quality" in message.subject for message in outbox.sent) is told


def test_tell_findings_rejected_files_of_which_nothing_lasts_are_told(
    model: Model, teller: Teller, outbox: Outbox
) -> None:
    tell(model, teller, batches(0.33, 0.0))
    assert any("quality" in message.subject for message in outbox.sent)


def unknown(*columns: str) -> Finding:
    text = f"{len(columns)} columns were not compared"
    return Finding(Condition.DRIFT, State.INSUFFICIENT, "columns", text, about=columns)


def test_tell_findings_alert_does_not_wait_for_columns_that_it_is_not_about(model, teller, outbox):
    tell(model, teller, *drift("Humidity"))
    tell(model, teller, unknown("Pressure_millibars"), day=1)

    assert outbox.sent[-1].subject == "over: weather: drift of Humidity: warning"


def test_tell_findings_alert_lasts_while_its_column_cannot_be_judged(model, teller, outbox):
    tell(model, teller, *drift("Humidity"))
    tell(model, teller, unknown("Pressure_millibars", "Humidity"), day=1)

    assert len([message for message in outbox.sent if message.subject.startswith("over")]) == 0


def test_tell_findings_names_what_could_not_be_judged_beside_what_is_told(model, teller, outbox):
    tell(model, teller, *drift("Humidity"), unknown("Pressure_millibars"))

    assert "Not judged: 1 columns were not compared" in outbox.sent[0].error


def test_tell_findings_insufficient_alone_tells_nobody(model, teller, outbox):
    tell(model, teller, unknown("Pressure_millibars"))

    assert outbox.sent == []
