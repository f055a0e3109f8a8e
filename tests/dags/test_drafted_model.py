"""A model of a number, drafted from a CSV, through the real DAGs in Airflow: ingest, train, shadow, score."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.dataset import DatasetTable
from almanac.draft.draft import Wish
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind, RunRef
from almanac.registry.store import Registry
from almanac.scoring.predictions import PredictionTable
from almanac_airflow.steps import release as steps
from tests.contexts import context_of
from tests.dags.one_process import OneProcess
from tests.draft.drafting import draft
from tests.training.number_labels.load import START, make_load

pytestmark = pytest.mark.slow

FIRST, KNOWN, LATER = 24 * 280, 24 * 300, 24 * 40


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Declares `load`, drafted from a CSV."""
    models, csv = tmp_path / "models", tmp_path / "load.csv"
    models.mkdir()
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    make_load(KNOWN).with_columns(pl.col("Hour").dt.strftime("%Y-%m-%d %H:%M")).write_csv(csv)
    values = yaml.safe_load(draft("load", csv, Wish("Load", horizon=timedelta(hours=4))))
    values |= {"source": {"settle": "0s"}, "shadow": {"rows": 300, "then": "promote"}}
    values["approval"] = {"users": ["grace"]}
    (models / "load.yaml").write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    return Home(home=tmp_path / "home", models=models)


def land(home: Home, frame: pl.DataFrame, name: str) -> None:
    folder = Path(home.landing_of("load"))
    folder.mkdir(parents=True, exist_ok=True)
    times = pl.col("Hour").dt.strftime("%Y-%m-%d %H:%M")  # as most people write them
    frame.with_columns(times).write_csv(folder / name)


def test_drafted_model_of_a_number_is_trained_scored_and_shadowed_by_its_dags(home: Home) -> None:
    rows = make_load(KNOWN + LATER)
    model = find_model(home.models, "load")
    airflow = OneProcess(home)
    land(home, rows[:FIRST], "first.csv")
    airflow.run("ingest_load")
    assert DatasetTable.of(home, model).count() == FIRST

    airflow.run("train_load", reason="the first")
    registry = Registry.of(home)
    assert registry.aliases("load")["champion"] == "1"

    land(home, rows[FIRST:KNOWN], "newer.csv")  # one that is only as good needs newer rows
    airflow.run("ingest_load")
    airflow.run("train_load", reason="a challenger")
    assert registry.aliases("load")["shadow"] == "2"

    # Anyone who starts this run may not decide alone, so somebody is asked; the question is marked as answered.
    output = airflow.run("promote_load", red=True, marked="approve", version="2", reason="I want it")
    assert "load@2: not promoted: " in output
    assert registry.aliases("load")["champion"] == "1"
    refused = Journal(home.journal_url).decisions("load", DecisionKind.PROMOTION)[0]
    assert not refused.accepted
    assert "but no question of this run is in the journal" in refused.reasons[0]

    land(home, rows[KNOWN:], "second.csv")
    airflow.run("ingest_load")
    airflow.run("score_load")
    # `airflow dags test` cannot run a DAG with a deadline, so the steps of `shadow_load` are called
    shadow = context_of(home, RunRef("shadow_load", "by hand"), registry=registry)
    steps.score_shadow(shadow, model)
    steps.judge_shadow(shadow, model)
    for table, number in ((PredictionTable.of(home, model), "1"), (PredictionTable.shadow_of(home, model), "2")):
        output = table.read(number, since=START, until=START + timedelta(hours=KNOWN + LATER))
        assert output.height >= LATER
        assert output["prediction"].is_finite().all()
    (verdict,) = Journal(home.journal_url).decisions("load", DecisionKind.SHADOW)
    assert verdict.accepted, verdict.reasons
    assert verdict.figures["rmse"] < 40
