"""Airflow's own runs with every place in a bucket or container, entered by the connection alone."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.weather_files import monthly_files
from include.backup.sources import below
from include.config.home import MODELS_FOLDER, REPOSITORY, Home
from include.config.loader import find_model
from include.data.dataset import Dataset
from include.journal.journal import Journal
from include.journal.records import BatchState
from include.storage.access import VARIABLE
from include.storage.files import copy_file, read_bytes, write_bytes
from tests.servers.stores import Store
from tests.storage.test_access import as_connection

pytestmark = pytest.mark.slow

PLACES = ("landing", "datasets", "quarantine", "predictions", "reports")


class Installation:
    """A home whose data are in a store, and an Airflow that is told of it by the connection."""

    def __init__(self, root: Path, store: Store) -> None:
        places = {name: f"{store.uri}/{name}" for name in PLACES}
        self.home = Home(home=root / "home").model_copy(update=places)
        foreign = ("AWS_", "AZURE_", "AIRFLOW", "ALMANAC_")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            **{f"ALMANAC_{name.upper()}": place for name, place in places.items()},
            "ALMANAC_HOME": str(self.home.home),
            "AIRFLOW_HOME": str(root / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": str(REPOSITORY),
            VARIABLE: as_connection(store),
        }

    def airflow(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env=self.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr


def test_ingest_and_maintenance_in_a_store(any_store: Store, tmp_path: Path) -> None:
    installation = Installation(tmp_path, any_store)
    home = installation.home
    landing = home.landing_of("weather")
    for file in monthly_files(datetime(2021, 1, 1, tzinfo=UTC), 2, tmp_path / "made"):
        copy_file(file, f"{landing}/{file.name}")
    write_bytes(f"{landing}/empty.csv", b"")

    assert installation.airflow("db", "migrate")[0] == 0
    code, said = installation.airflow("dags", "test", "ingest_weather")
    assert code == 1, said[-2000:]  # report_rejections is red: a file was rejected
    code, also_said = installation.airflow("dags", "test", "maintain_data_weather")
    assert code == 0, also_said[-2000:]

    dataset = Dataset.of(home, find_model(MODELS_FOLDER, "weather"))
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
    for text in (said.encode(), also_said.encode(), *databases):
        assert any_store.secret.encode() not in text
