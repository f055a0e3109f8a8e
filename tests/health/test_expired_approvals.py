"""An alert that a person is waited for ends with the run that asks, however that ends."""

from dataclasses import replace
from datetime import timedelta

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import approval_message
from almanac.alerts.notifier import Notifier
from almanac.errors import TransientError
from almanac.health.expired_approvals import resolve_expired
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from tests.alerts.test_notifier import ALERTS, NOON, RUN, Outbox, journal, logged, notifier, outbox

__all__ = ["journal", "logged", "notifier", "outbox"]  # fixtures
QUESTION = "Rain at the port: promote version 7?"


class Runs:
    """Knows of the runs that wait; None: it does not answer."""

    def __init__(self, *waiting: tuple[str, str], away: bool = False) -> None:
        self.waiting = waiting
        self.away = away

    def waits(self, run: RunRef, task_id: str) -> bool:
        if self.away:
            raise TransientError("Airflow does not answer")
        return (run.run_id, task_id) in self.waiting


@pytest.fixture
def asked(notifier: Notifier) -> None:
    """Two runs ask."""
    for number in ("1", "2"):
        run = replace(RUN, run_id=number)
        message = approval_message(
            model="weather",
            run=run,
            task_id="approve",
            question=f"{QUESTION} ({number})",
            deadline="for a day",
            silence="a no",
            link="http://airflow",
            now=NOON,
        )
        notifier.open(ALERTS, message, "approval", f"train_weather.approve {number}", NOON)


def open_ones(journal: Journal) -> list[str]:
    return [one.message.run_id for one in AlertLog(journal).unclosed()]


@pytest.mark.usefixtures("asked")
def test_question_whose_run_is_gone_is_over_and_reported_so_and_the_other_waits_on(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    resolve_expired(notifier, {"weather": ALERTS}, journal, Runs(("2", "approve")), NOON + timedelta(hours=1))
    assert open_ones(journal) == ["2"]
    over = [subject for subject in outbox.subjects() if subject.startswith("over: ")]
    assert len(over) == 1
    assert "(1)" in over[0]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("runs", [Runs(away=True), None])
def test_what_is_not_known_ends_nothing(notifier: Notifier, journal: Journal, runs: Runs | None) -> None:
    resolve_expired(notifier, {"weather": ALERTS}, journal, runs, NOON)
    assert open_ones(journal) == ["1", "2"]
