"""One set of running services for all end-to-end tests of a session."""

import time
from collections.abc import Iterator

import pytest

from include.config.home import Home
from include.services.services import Services


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Airflow and MLflow with the project's DAGs, in a home of this session."""
    home = Home(home=tmp_path_factory.mktemp("home"))
    with Services(home, tell=print).running() as running:
        _wait_for_dags(running)
        yield running


def _wait_for_dags(running: Services, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    with running.airflow() as airflow:
        while not airflow.dag_ids():
            assert time.monotonic() < deadline, f"no DAGs: {airflow.import_problems()}"
            time.sleep(0.5)
