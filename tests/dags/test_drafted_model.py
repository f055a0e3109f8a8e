"""A model of a number, drafted from a CSV, through the real DAGs in Airflow: ingest, train, shadow, score."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from include.config.home import MODELS_FOLDER, REPOSITORY, Home
from include.config.loader import find_model
from include.data.dataset import Dataset
from include.drafting.draft import Wish, draft
from include.journal.journal import Journal
from include.journal.records import DecisionKind
from include.registry.store import Registry
from include.scoring.predictions import PredictionTable
from tests.training.numbers import START, make_load

pytestmark = pytest.mark.slow

KNOWN, LATER = 24 * 300, 24 * 40


class Installation:
    """A home, and an Airflow that runs one DAG at a time in one process."""

    def __init__(self, root: Path) -> None:
        self.home = Home(home=root / "home", models=root / "models")
        foreign = ("AWS_", "AZURE_", "AIRFLOW", "ALMANAC_", "MLFLOW")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            "ALMANAC_HOME": str(self.home.home),
            "ALMANAC_MODELS": str(self.home.models),
            "AIRFLOW_HOME": str(root / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": str(REPOSITORY),
        }

    def airflow(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env=self.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, (words, (done.stdout + done.stderr)[-3000:])

    def run(self, dag_id: str, **conf: object) -> None:
        self.airflow("dags", "test", dag_id, *(("-c", json.dumps(conf)) if conf else ()))

    def land(self, frame: pl.DataFrame, name: str) -> None:
        folder = Path(self.home.landing_of("load"))
        folder.mkdir(parents=True, exist_ok=True)
        times = pl.col("Hour").dt.strftime("%Y-%m-%d %H:%M")  # as most people write them
        frame.with_columns(times).write_csv(folder / name)
        self.run("ingest_load")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    models, csv = tmp_path / "models", tmp_path / "load.csv"
    models.mkdir()
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    make_load(KNOWN).with_columns(pl.col("Hour").dt.strftime("%Y-%m-%d %H:%M")).write_csv(csv)
    values = yaml.safe_load(draft("load", csv, Wish("Load", horizon=timedelta(hours=4))))
    values |= {"source": {"settle": "0s"}, "shadow": {"rows": 300, "then": "promote"}}
    (models / "load.yaml").write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    return Installation(tmp_path)


def test_drafted_model_of_a_number_is_trained_scored_and_shadowed_by_its_dags(installation: Installation) -> None:
    home, rows = installation.home, make_load(KNOWN + LATER)
    model = find_model(home.models, "load")
    installation.airflow("db", "migrate")
    installation.land(rows[:KNOWN], "first.csv")
    assert Dataset.of(home, model).count() == KNOWN

    installation.run("train_load", reason="the first")
    registry = Registry.of(home)
    assert registry.aliases("load")["champion"] == "1"

    installation.run("train_load", reason="a challenger")
    assert registry.aliases("load")["shadow"] == "2"

    installation.land(rows[KNOWN:], "second.csv")
    installation.run("score_load")
    for table, number in ((PredictionTable.of(home, model), "1"), (PredictionTable.shadow_of(home, model), "2")):
        said = table.read(number, since=START, until=START + timedelta(hours=KNOWN + LATER))
        assert said.height >= LATER
        assert said["prediction"].is_finite().all()
    (verdict,) = Journal(home.journal_url).decisions("load", DecisionKind.SHADOW)
    assert verdict.accepted, verdict.reasons
    assert verdict.figures["rmse"] < 40
