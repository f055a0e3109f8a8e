"""Airflow itself calls what ends a failure: the same task, run again, finds nothing to do and is skipped."""

from pathlib import Path

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.config.home import Home
from almanac.journal.journal import Journal
from tests.dags.one_process import OneProcess

pytestmark = pytest.mark.slow


def test_failure_of_a_task_ends_when_it_is_skipped_the_next_time(tmp_path: Path) -> None:
    home = Home(home=tmp_path / "home")
    airflow = OneProcess(home)
    log = AlertLog(Journal(home.journal_url))

    airflow.run("score_weather", red=True, since="2024-01-01T00:00:00")  # no offset: fixed by a person only, no retry
    (failed,) = log.recent()
    assert (failed.message.subject, failed.ended_at) == ("score_weather: score failed", None)

    assert "no champion" in airflow.run("score_weather")
    (failed,) = log.recent()
    assert failed.ended_at is not None
