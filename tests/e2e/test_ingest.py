"""A file that lands is published by the real services within seconds, and every red task is told."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState
from almanac.services.services import Services
from demo.weather_files import monthly_files

pytestmark = pytest.mark.e2e


@pytest.fixture
def landed(services: Services, tmp_path: Path) -> Path:
    """January 2021, dropped as a port would: whole, under its final name."""
    (file,) = monthly_files(datetime(2021, 1, 1, tzinfo=UTC), 1, tmp_path)
    target = Path(services.home.landing_of("weather")) / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    return file.rename(target)


def test_ingest_landed_file_triggers_the_dag_and_is_published_once(services: Services, landed: Path) -> None:
    model = find_model(services.home.models, "weather")
    dataset = DatasetTable.of(services.home, model)
    deadline = time.monotonic() + 120
    while not dataset.exists():
        assert time.monotonic() < deadline, "the watcher did not ring, or the ingest failed"
        time.sleep(0.5)
    assert dataset.count() == 31 * 24
    with services.airflow() as airflow:
        (run,) = airflow.runs("ingest_weather")
        assert airflow.wait(run.dag_id, run.run_id, timeout_s=60).state == "success"
        assert run.run_type == "asset_triggered"
    (batch,) = Journal(services.home.journal_url).batches("weather")
    assert (batch.state, batch.rows_published, batch.uri) == (BatchState.PUBLISHED, 744, str(landed))
    assert batch.run.trigger == "asset_triggered: landing_weather"
