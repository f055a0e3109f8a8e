"""A failure of which no callback has told is told by the next round, once, and ends as every failure does."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import failure_key, failure_message
from almanac.alerts.notifier import Notifier
from almanac.alerts.run_scope import WHOLE
from almanac.config.sections.alerts import Alerts
from almanac.errors import PermanentError, TransientError
from almanac.health.rejections import rejection_message
from almanac.health.unreported_failures import LOOK_BACK, FailedTask, report_unreported_failures
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from tests.alerts.test_notifier import ALERTS, NOON, Outbox, journal, logged, notifier, outbox

__all__ = ["journal", "logged", "notifier", "outbox"]  # fixtures

KILLED = FailedTask(RunRef("train_weather", "manual__1", 4), "train", NOON - timedelta(minutes=9), "http://airflow/r")
DECLARED = {"weather": ALERTS, "weather_inland": ALERTS}
SUBJECT = "train_weather: train failed"


class Airflow:
    """Knows these failures; `good`: the same tasks have ended well since."""

    def __init__(self, *failed: FailedTask, good: bool = False, away: bool = False) -> None:
        self.failed = failed
        self.good = good
        self.away = away
        self.asked_since: list[datetime] = []

    def failed_tasks(self, since: datetime) -> Sequence[FailedTask]:
        if self.away:
            raise TransientError("Airflow does not answer")
        self.asked_since.append(since)
        return self.failed

    def made_good(self, failed: FailedTask) -> bool:
        return self.good

    def scope_of(self, run: RunRef) -> str:
        return "window 2026-01-01" if run.dag_id.startswith("window") else WHOLE

    def tags(self, dag_id: str) -> frozenset[str]:
        if dag_id == "train_removed":
            raise PermanentError("no such DAG")
        found = {"train_weather": {"train", "weather"}, "train_weather_inland": {"weather", "train", "weather_inland"}}
        return frozenset(found.get(dag_id, {"backup"}))


def told_by_callback(notifier: Notifier, failed: FailedTask, at: datetime) -> None:
    message = failure_message(model="weather", run=failed.run, task_id="train", error="bad", link="", now=at)
    notifier.open(ALERTS, message, "failure", failure_key(failed.run.dag_id, failed.task_id), at)


def test_killed_last_try_is_reported_once_and_ends_when_the_task_ends_well(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    airflow = Airflow(KILLED)
    for minutes in (0, 5):
        report_unreported_failures(notifier, DECLARED, ALERTS, journal, airflow, NOON + timedelta(minutes=minutes))

    assert outbox.subjects() == [SUBJECT]
    (alert,) = AlertLog(journal).recent()
    assert (alert.model, alert.times) == ("weather", 1)
    assert "was it killed?" in alert.message.error
    assert alert.message.link == "http://airflow/r"
    assert airflow.asked_since[0] == NOON - LOOK_BACK

    notifier.resolve(ALERTS, "weather", "failure", "train_weather.train", NOON + timedelta(minutes=6))
    report_unreported_failures(notifier, DECLARED, ALERTS, journal, airflow, NOON + timedelta(minutes=10))
    assert outbox.subjects() == [SUBJECT, f"over: {SUBJECT}"]


def test_failure_that_a_callback_has_reported_is_not_reported_again(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    told_by_callback(notifier, KILLED, KILLED.started_at + timedelta(seconds=30))
    report_unreported_failures(notifier, DECLARED, ALERTS, journal, Airflow(KILLED), NOON)
    assert outbox.subjects() == [SUBJECT]
    assert AlertLog(journal).recent()[0].times == 1


def test_failure_reported_and_over_before_this_one_began_hides_nothing(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    before = KILLED.started_at - timedelta(minutes=9)
    told_by_callback(notifier, KILLED, before)
    notifier.resolve(ALERTS, "weather", "failure", "train_weather.train", before + timedelta(minutes=8))
    report_unreported_failures(notifier, DECLARED, ALERTS, journal, Airflow(KILLED), NOON)
    assert outbox.subjects() == [SUBJECT, f"over: {SUBJECT}", SUBJECT]


@pytest.mark.parametrize("airflow", [None, Airflow(KILLED, good=True), Airflow(KILLED, away=True), Airflow()])
def test_what_is_made_good_or_not_known_is_not_reported(
    airflow: Airflow | None, notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    report_unreported_failures(notifier, DECLARED, ALERTS, journal, airflow, NOON)
    assert outbox.sent == []


@pytest.mark.parametrize(
    ("dag_id", "model"), [("train_weather_inland", "weather_inland"), ("backup_databases", ""), ("check_config", "")]
)
def test_failure_is_its_dags_models_or_nobodys(dag_id: str, model: str, notifier: Notifier, journal: Journal) -> None:
    failed = replace(KILLED, run=RunRef(dag_id, "r", 1))
    report_unreported_failures(notifier, DECLARED, ALERTS, journal, Airflow(failed), NOON)
    assert [one.model for one in AlertLog(journal).recent()] == [model]


def test_failure_of_a_dag_that_is_gone_hides_no_other(notifier: Notifier, outbox: Outbox, journal: Journal) -> None:
    gone = replace(KILLED, run=RunRef("train_removed", "r", 1))
    report_unreported_failures(notifier, DECLARED, ALERTS, journal, Airflow(gone, KILLED), NOON)
    assert outbox.subjects() == [SUBJECT]


def test_model_that_is_silent_about_failures_is_not_reported(notifier: Notifier, journal: Journal) -> None:
    silent = Alerts.model_validate({**ALERTS.model_dump(), "silent": ["failure"]})
    report_unreported_failures(notifier, {"weather": silent}, ALERTS, journal, Airflow(KILLED), NOON)
    assert AlertLog(journal).recent() == []


def test_killed_task_of_a_window_is_reported_about_that_window(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    killed = replace(KILLED, run=RunRef("window_weather", "scheduled__1"), task_id="close")
    report_unreported_failures(notifier, DECLARED, ALERTS, journal, Airflow(killed), NOON)

    assert AlertLog(journal).recent()[0].message.parts == ("window 2026-01-01",)


def test_red_task_whose_rejections_were_reported_is_no_failure_without_a_word(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    run = RunRef("ingest_weather", "manual__1")
    message = rejection_message(
        "weather",
        [{"uri": "file:///a.csv"}],
        words="no column",
        run=run,
        task_id="report_rejections",
        link="",
        now=NOON,
    )
    notifier.open(ALERTS, message, "rejection", failure_key(run.dag_id, "report_rejections"), NOON)
    red = FailedTask(run, "report_rejections", NOON - timedelta(minutes=1), "http://airflow/r")
    report_unreported_failures(notifier, DECLARED, ALERTS, journal, Airflow(red), NOON + timedelta(minutes=5))

    assert outbox.subjects() == ["weather: a.csv was rejected"]
