"""One stack of docker-compose.yaml, started without containers, for all tests of this folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from almanac.config.home import MODELS_FOLDER
from demo.native.debian import missing
from demo.native.stack import DATA_STORES, NativeStack
from tests.waiting import wait

PATIENCE_S = 900.0
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.native.stack._HEALTHY_S", PATIENCE_S)  # on a machine that does much else
        with NativeStack(root, workers=2, extra=extra, models=models, report=print).running() as running:
            with running.airflow() as airflow:
                wait(lambda: "ingest_weather" in airflow.dag_ids(), "the DAGs", PATIENCE_S)
            yield running
