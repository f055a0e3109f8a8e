"""Every test session has a home of its own, set before Airflow or MLflow are imported: both read it at import."""

import os
import shutil
import tempfile
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[1]
_HOME = tempfile.mkdtemp(prefix="almanac-tests-")

os.environ.update(
    {
        "ALMANAC_HOME": f"{_HOME}/almanac",
        "AIRFLOW_HOME": f"{_HOME}/airflow",
        "AIRFLOW__CORE__DAGS_FOLDER": str(_REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(_REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "Agg",
    }
)

# Places on real S3 and Azure Blob servers, for every directory.
pytest_plugins = ["tests.servers.stores"]


def pytest_unconfigure() -> None:
    """Remove the session's home."""
    shutil.rmtree(_HOME, ignore_errors=True)
