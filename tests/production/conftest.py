"""One stack of docker-compose.yaml, started without containers, for all tests of this folder."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from almanac.config.home import MODELS_FOLDER
from demo.native.debian import missing
from demo.native.stack import DATA_STORES, NativeStack

WEBHOOK_SECRET = "a-webhook-token-that-no-log-may-show"


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """PostgreSQL, Redis, MLflow, Airflow with two Celery workers."""
    if packages := missing(DATA_STORES):
        pytest.skip(f"apt-get install {' '.join(packages)}")
    root: Path = tmp_path_factory.mktemp("stack")
    models = root / "models"
    shutil.copytree(MODELS_FOLDER, models)
    connection = f'{{"conn_type": "http", "host": "http://127.0.0.1:9/alerts", "password": "{WEBHOOK_SECRET}"}}'
    extra = {"AIRFLOW_CONN_ALMANAC_WEBHOOK": connection}
    with NativeStack(root, workers=2, extra=extra, models=models, tell=print).running() as running:
        _wait_for_dags(running)
        yield running


def _wait_for_dags(stack: NativeStack, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    with stack.airflow() as airflow:
        while "ingest_weather" not in airflow.dag_ids():
            assert time.monotonic() < deadline, f"no DAGs: {airflow.import_problems()}"
            time.sleep(1)
