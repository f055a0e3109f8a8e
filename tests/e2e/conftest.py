"""One set of running services for all end-to-end tests of `make test`: a start takes a minute of a core."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.dataset import DatasetTable
from almanac.failpoints import FOLDER_VARIABLE
from almanac.services.services import Services
from tests.e2e import port
from tests.e2e.port import Port
from tests.faults.landing_stores import Quay, declare
from tests.waiting import wait

PATIENCE_S = 900.0
# The models stay as they are: parsing them every half minute would keep a quarter of a core from the tests.
PARSED_ONCE = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600"}
YEARLY = "0 0 1 1 *"
QUAY = "quay"


@pytest.fixture(scope="package", autouse=True)
def _patience() -> Iterator[None]:
    """How long services may take to come up on a machine that does much else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("almanac.services.services._HEALTH_TIMEOUT_S", PATIENCE_S)
        yield


@pytest.fixture(scope="package")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Airflow and MLflow with the project's DAGs, the models of a port and a small one, in a home of their own."""
    root = tmp_path_factory.mktemp("home")
    shutil.copytree(MODELS_FOLDER, root / "models")
    sweep_yearly(root / "models" / "_defaults.yaml")
    sweep_yearly(root / "models" / "_installation.yaml")
    port.declare(root / "models")
    declare(root / "models", [QUAY], sweep=YEARLY)
    (root / "faults").mkdir()
    home = Home(home=root, models=root / "models")
    with Services(home, extra={FOLDER_VARIABLE: f"{root}/faults", **PARSED_ONCE}, report=print).running() as running:
        with running.airflow() as airflow:
            wait(airflow.dag_ids, "the DAGs", PATIENCE_S)
        yield running


def sweep_yearly(declarations: Path) -> None:
    """Events alone trigger these models: every ten minutes a sweep would now and then be faster."""
    text = declarations.read_text("utf-8")
    often = 'sweep: "*/10 * * * *"'
    assert often in text
    declarations.write_text(text.replace(often, f'sweep: "{YEARLY}"'), "utf-8")


@pytest.fixture
def quay(services: Services) -> Quay:
    """A model whose ingest can be stopped at a point, and killed there."""
    return Quay(services.home, QUAY, services.home.home / "faults")


@pytest.fixture(scope="package")
def harbour(services: Services) -> Iterator[Port]:
    """The models of a port, with four days of weather that have landed and are in the dataset."""
    with services.airflow() as airflow:
        wait(lambda: {"window_weather", "event_weather", "score_ships"} <= set(airflow.dag_ids()), "the DAGs")
        made = Port(services.home, airflow)
        made.land("first", range(4))
        dataset = DatasetTable.of(services.home, find_model(services.home.models, "weather"))
        wait(lambda: dataset.exists() and dataset.count() == 96, "four days in the dataset")
        yield made
