"""Every test session has a home of its own, set before Airflow or MLflow are imported: both read it at import."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

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


# What one of their fixtures starts or trains is shared by the whole folder: two processes would do it twice.
_ON_ONE_CORE = ("e2e", "production", "backup", "registry", "contracts")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the tests to the cores file by file, the folders with dear fixtures whole and first."""
    groups = {item: _group(item.path.relative_to(_REPOSITORY / "tests")) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: _ON_ONE_CORE.index(groups[item]) if groups[item] in _ON_ONE_CORE else len(_ON_ONE_CORE))


def _group(file: Path) -> str:
    return file.parts[0] if file.parts[0] in _ON_ONE_CORE else file.as_posix()


def pytest_unconfigure() -> None:
    """Remove the session's home."""
    shutil.rmtree(_HOME, ignore_errors=True)
