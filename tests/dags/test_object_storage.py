"""Airflow's own runs with every place in a bucket or container, entered by the connection alone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.backup.snapshot.sources import below
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState
from almanac.sample.weather_files import monthly_files
from almanac.storage.access import VARIABLE
from almanac.storage.files import copy_file, read_bytes, write_bytes
from tests.dags.one_process import OneProcess
from tests.servers.stores import Store
from tests.storage.test_access import as_connection

pytestmark = pytest.mark.slow

PLACES = ("landing", "datasets", "quarantine", "predictions", "reports")


def test_ingest_and_maintenance_in_a_store(any_store: Store, tmp_path: Path) -> None:
    home = Home(home=tmp_path / "home", **{name: f"{any_store.uri}/{name}" for name in PLACES})
    landing = home.landing_of("weather")
    for file in monthly_files(datetime(2021, 1, 1, tzinfo=UTC), 2, tmp_path / "made"):
        copy_file(file, f"{landing}/{file.name}")
    write_bytes(f"{landing}/empty.csv", b"")

    airflow = OneProcess(home, **{VARIABLE: as_connection(any_store)})
    output = airflow.run("ingest_weather", red=True)  # a file was rejected
    output += airflow.run("maintain_data_weather")

    dataset = DatasetTable.of(home, find_model(MODELS_FOLDER, "weather"))
    assert dataset.count() == (31 + 28) * 24
    batches = Journal(home.journal_url).batches("weather")
    assert sorted(batch.state for batch in batches) == sorted([BatchState.PUBLISHED] * 2 + [BatchState.REJECTED])
    (report,) = [batch.report_uri for batch in batches if batch.report_uri]
    assert b"<html" in read_bytes(report)
    for place in ("landing", "datasets", "quarantine", "reports"):
        assert below(f"{any_store.uri}/{place}"), place
        assert not (home.home / place).exists(), place
    databases = [path.read_bytes() for path in tmp_path.rglob("*.db")]  # XComs, rendered fields, the journal
    assert databases
    for text in (output.encode(), *databases):
        assert any_store.secret.encode() not in text
