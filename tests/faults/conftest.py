"""A real installation of small models whose processes may be killed."""

import shutil
from collections.abc import Iterator

import pytest

from almanac.config.home import MODELS_FOLDER, Home
from almanac.failpoints import FOLDER_VARIABLE
from almanac.services.services import Services
from tests.faults.landing_stores import Quay, declare
from tests.waiting import wait

_NAMES = tuple(f"quay_{letter}" for letter in "abcde")
# A worker that dies with its task is missed after this long, not after a minute.
_HEARTBEATS = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "12",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Airflow and MLflow with the project's DAGs for five small models."""
    root = tmp_path_factory.mktemp("harbour")
    (root / "models").mkdir()
    shutil.copy(MODELS_FOLDER / "_defaults.yaml", root / "models")
    declare(root / "models", _NAMES)
    (root / "faults").mkdir()
    home = Home(home=root, models=root / "models")
    extra = {FOLDER_VARIABLE: f"{root}/faults", **_HEARTBEATS}
    with Services(home, extra=extra, report=print).running() as running, running.airflow() as airflow:
        wait(lambda: {f"ingest_{name}" for name in _NAMES} <= set(airflow.dag_ids()), "the DAGs")
        yield running


@pytest.fixture(scope="module")
def quays(services: Services) -> tuple[Quay, ...]:
    """The models, with what has landed for each."""
    return tuple(Quay(services.home, name, services.home.home / "faults") for name in _NAMES)
