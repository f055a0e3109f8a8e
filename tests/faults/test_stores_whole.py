"""A real installation whose places are all in an object store: from an arriving object to the event and the report."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from almanac.config.home import MODELS_FOLDER, Home
from almanac.services.services import Services
from almanac.storage.access import VARIABLE
from almanac.storage.files import read_bytes
from tests.faults.landing_stores import Quay, declare, wait_until_ended
from tests.servers.stores import Store
from tests.storage.test_access import as_connection
from tests.waiting import wait

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_PLACES = ("landing", "datasets", "quarantine", "predictions", "reports")
_AWAY_S = 20


@pytest.fixture
def services(any_store: Store, tmp_path: Path) -> Iterator[Services]:
    """Airflow with one model; the keys stand in the connection and nowhere else."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(MODELS_FOLDER / "_defaults.yaml", models)
    declare(models, ["quay"])
    home = Home(home=tmp_path, models=models, **{place: f"{any_store.uri}/{place}" for place in _PLACES})
    with Services(home, extra={VARIABLE: as_connection(any_store)}, report=print).running() as running:
        with running.airflow() as airflow:
            wait(lambda: "ingest_quay" in airflow.dag_ids(), "the DAGs")
        yield running


def test_run_with_all_places_in_a_store_publishes_once_though_the_store_was_away(
    services: Services, any_store: Store, request: pytest.FixtureRequest
) -> None:
    """Objects land, rows are published and quarantined; then the server stands still while the next ones land."""
    quay = Quay(services.home, "quay", services.home.home / "faults")
    with services.airflow() as airflow:
        for _ in range(3):
            quay.land()
        wait(quay.published, "the first objects to be published", 300)
        wait_until_ended(airflow, "quay")
        quay.check()
        server = request.getfixturevalue("s3_server" if any_store.uri.startswith("s3") else "azure_server").process
        quay.land()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            time.sleep(_AWAY_S)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        quay.land()
        wait(quay.published, "the others to be published", 400)
        wait_until_ended(airflow, "quay")
        quay.check()
        quay.check_rung(airflow)
        for batch in quay.journal.batches("quay"):
            assert batch.report_uri.startswith(any_store.uri)
            assert b"2 bad rows are in quarantine" in read_bytes(batch.report_uri)
    _check_nothing_is_on_this_machine(services.home)
    _check_no_secret_is_logged(services.home.home, any_store)


def _check_nothing_is_on_this_machine(home: Home) -> None:
    assert [place for place in _PLACES if (home.home / place).exists()] == []


def _check_no_secret_is_logged(root: Path, store: Store) -> None:
    logs = [path for path in root.rglob("*.log") if path.is_file()]
    assert logs
    assert [path for path in logs if store.secret.encode() in path.read_bytes()] == []
