"""Every service of docker-compose.yaml runs without containers, does work, and tells nobody its secrets."""

import time
from pathlib import Path

import pytest

from almanac.journal.journal import Journal
from almanac.journal.records import BatchState
from almanac.sample.weather_files import write_month
from almanac.sample.weather_generator import generate_month
from demo.secrecy import places_that_show
from tests.production.conftest import WEBHOOK_SECRET

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_stack_every_lasting_service_runs_with_all_its_replicas(stack):
    counts = {name: len(stack.pids(name)) for name in stack.services}

    once = {"postgres-init": 0, "airflow-init": 0}
    assert counts == {**dict.fromkeys(stack.services, 1), "worker": 2, **once}


def test_stack_a_file_that_lands_is_published_by_a_worker(stack, tmp_path):
    landing = Path(stack.home.landing_of("weather"))
    landing.mkdir(parents=True, exist_ok=True)
    file = write_month(generate_month(2021, 1), tmp_path)
    file.rename(landing / file.name)

    journal = Journal(stack.home.journal_url)
    deadline = time.monotonic() + 180
    while not journal.batches("weather"):
        assert time.monotonic() < deadline, "nothing was published"
        time.sleep(1)
    assert [batch.state for batch in journal.batches("weather")] == [BatchState.PUBLISHED]


def test_stack_shows_no_secret(stack):
    """Logs, XComs, rendered templates, the journal: every file, and every row of the three databases."""
    home, hidden = stack.home, {**stack.secrets, "the webhook's": WEBHOOK_SECRET}
    databases = (home.airflow_database_url, home.mlflow_database_url, home.journal_url)

    shown, looked_at = places_that_show(hidden, stack.root, databases)

    assert shown == []
    assert looked_at > 1_000_000
