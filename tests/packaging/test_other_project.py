"""The wheel in the Airflow of another project, which has a `dags/`, an `include/` and a plugin of its own.

A fresh environment of a plain Airflow, filled from uv's cache; no folder of this repository is on any path.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import yaml

from almanac.config.home import REPOSITORY
from tests.training.number_labels.load import make_load

pytestmark = pytest.mark.slow

KNOWN, LATER = 24 * 300, 24 * 10
THEIR_FILES = {
    "include/__init__.py": "",
    "include/words.py": "WORD = 'theirs'\n",
    "plugins/their_plugin.py": (
        "from airflow.plugins_manager import AirflowPlugin\nclass Theirs(AirflowPlugin):\n    name = 'theirs'\n"
    ),
    "dags/theirs.py": (
        "from airflow.sdk import DAG, task\nfrom include.words import WORD\n"
        "with DAG('theirs'):\n    @task\n    def say():\n        print(f'this is {WORD}')\n    say()\n"
    ),
}
# Asks the environment, from a process without our paths, what Airflow would see.
SEEN = """
import json, sys
from airflow.plugins_manager import _get_plugins
from airflow.providers_manager import ProvidersManager
plugins, errors = _get_plugins()
import almanac, almanac_airflow
print(json.dumps({
    "plugins": sorted(plugin.name for plugin in plugins if plugin.name in ("almanac", "theirs")),
    "errors": errors,
    "provider": ProvidersManager().providers["almanac"].version,
    "files": [almanac.__file__, almanac_airflow.__file__],
}))
"""


@dataclass(frozen=True)
class Project:
    """Somebody's Airflow project and its environment."""

    root: Path
    environment: Path

    @property
    def variables(self) -> dict[str, str]:
        local = "airflow.dag_processing.bundles.local.LocalDagBundle"
        bundles = [
            {"name": "theirs", "classpath": local, "kwargs": {"path": str(self.root / "dags")}},
            {"name": "almanac", "classpath": "almanac_airflow.bundle.AlmanacDagBundle", "kwargs": {}},
        ]
        return {
            "PATH": f"{self.environment / 'bin'}:{os.defpath}",
            "HOME": str(self.root),
            "PYTHONPATH": str(self.root),
            "AIRFLOW_HOME": str(self.root / "airflow"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.root / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
            "ALMANAC_HOME": str(self.root / "data"),
            "ALMANAC_MODELS": str(self.root / "include" / "models"),
        }

    def run(self, *command: str, **more: str) -> str:
        done = subprocess.run(
            command, env={**self.variables, **more}, cwd=self.root, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, (command, (done.stdout + done.stderr)[-4000:])
        return done.stdout + done.stderr

    def test(self, dag_id: str, **conf: str) -> str:
        return self.run("airflow", "dags", "test", dag_id, *(("-c", json.dumps(conf)) if conf else ()))


def uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.prefix) / "bin" / "uv"), *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain Airflow, and then the wheel with what it requires and no extra."""
    folder = tmp_path_factory.mktemp("environment")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    path = folder / "venv"
    made = uv("venv", "--python", sys.executable, str(path))
    assert made.returncode == 0, made.stderr
    install = ("pip", "install", "--offline", "--python", str(path / "bin" / "python"), "-c", "requirements.txt")
    if (plain := uv(*install, "apache-airflow")).returncode:
        pytest.skip(f"uv's cache does not hold what `make setup` downloads: {plain.stderr[-500:]}")
    added = uv(*install, str(wheel))
    assert added.returncode == 0, added.stderr
    return path


@pytest.fixture(scope="module")
def project(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    for name, text in THEIR_FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    (root / "include" / "models").mkdir()
    project = Project(root, environment)
    project.run("airflow", "db", "migrate")
    return project


def land(project: Project, rows: pl.DataFrame, name: str) -> Path:
    path = project.root / name
    rows.with_columns(pl.col("Hour").dt.strftime("%Y-%m-%d %H:%M")).write_csv(path)
    return path


def test_airflow_loads_our_plugin_and_theirs_once_each(project: Project) -> None:
    seen = json.loads(project.run("python", "-c", SEEN).splitlines()[-1])
    assert seen["plugins"] == ["almanac", "theirs"]
    assert seen["errors"] == {}
    assert seen["provider"] == "0.2.0"
    assert all(file.startswith(str(project.environment)) for file in seen["files"])


def test_model_is_ingested_trained_and_scored_beside_their_own_dag(project: Project) -> None:
    rows = make_load(KNOWN + LATER)
    project.run("almanac", "draft", "load", str(land(project, rows[:KNOWN], "first.csv")), "--label", "Load")
    declared = project.root / "include" / "models" / "load.yaml"
    values = yaml.safe_load(declared.read_text("utf-8")) | {"source": {"settle": "0s"}}
    declared.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    landing = project.root / "data" / "landing" / "load"
    landing.mkdir(parents=True)

    (project.root / "first.csv").rename(landing / "first.csv")
    project.test("ingest_load")
    project.test("train_load", reason="the first")
    land(project, rows[KNOWN:], "data/landing/load/second.csv")
    project.test("ingest_load")
    project.test("score_load")

    assert "this is theirs" in project.test("theirs")
    trace = project.run("almanac", "trace", "load@1")
    assert "almanac 0.2.0" in trace  # the code that made it: no commit, but a release
    table = pl.scan_delta(str(project.root / "data" / "predictions" / "load")).collect()
    assert table.height >= LATER
