"""Since when Airflow's processes run, as its api-server lists them."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.config.home import Home
from almanac.errors import PermanentError, TransientError
from almanac.services.airflow_api import Job
from almanac.services.uptime import ServiceUptime, service_uptimes

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Listed:
    """An api-server that lists these; or one that fails."""

    def __init__(self, *jobs: Job, error: Exception | None = None) -> None:
        self._jobs, self._error = jobs, error

    def jobs(self, kind: str) -> Sequence[Job]:
        if self._error:
            raise self._error
        return [job for job in self._jobs if job.kind == kind]


def ask(listed: Listed | None, tmp_path: Path) -> tuple[ServiceUptime, ...]:
    return service_uptimes(Home(home=tmp_path), "", listed, NOON)


def test_incarnations_newest_life_of_each_process_and_host_counts(tmp_path: Path) -> None:
    old, new = NOON - HOUR, NOON
    found = ask(
        Listed(
            Job("SchedulerJob", "one", new, False),
            Job("SchedulerJob", "one", old, False),
            Job("SchedulerJob", "two", old, False),
            Job("DagProcessorJob", "one", old, False),
        ),
        tmp_path,
    )
    assert {(one.name, one.began) for one in found} == {
        ("scheduler@one", new),
        ("scheduler@two", old),
        ("dag-processor@one", old),
    }


@pytest.mark.parametrize("ended_well", [True, False])
def test_incarnations_regular_is_whose_life_before_ended_well(ended_well: bool, tmp_path: Path) -> None:
    before = Job("TriggererJob", "one", NOON - HOUR, ended_well)
    (found,) = ask(Listed(Job("TriggererJob", "one", NOON, False), before), tmp_path)
    assert found == ServiceUptime("triggerer@one", NOON, regular=ended_well)


@pytest.mark.parametrize("error", [TransientError("Airflow does not answer"), PermanentError("403 Forbidden")])
def test_incarnations_api_server_that_is_away_or_refuses_is_reported_and_fails_nothing(
    error: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "almanac.services.uptime"):
        assert ask(Listed(error=error), tmp_path) == ()
    assert f"was started again is not known: {error}" in caplog.text


def test_incarnations_without_anybody_to_ask_are_none(tmp_path: Path) -> None:
    assert ask(None, tmp_path) == ()
