"""The sweep in Airflow's own engine: what it asks of Airflow is answered, and what it starts is there."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.config.home import Home
from include.journal.journal import Journal
from include.journal.records import BatchRecord, BatchState, DecisionKind, RunRef
from tests.dags.one_process import OneProcess

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 30, tzinfo=UTC)
MISSED = {"train_weather", "score_weather", "backup_data_weather"}


def runs(home: Home) -> set[tuple[str, str, str]]:
    with sqlite3.connect(home.home / "airflow" / "airflow.db") as database:
        return set(database.execute("select dag_id, run_type, state from dag_run where dag_id != 'sweep'"))


def test_sweep_starts_the_runs_that_no_event_has_woken(tmp_path: Path) -> None:
    home = Home(home=tmp_path / "home")
    airflow, journal = OneProcess(home), Journal(home.journal_url)
    run = RunRef("ingest_weather", "i")
    journal.record_batch(
        BatchRecord("weather", "b" * 64, "u", 1, NOW, BatchState.PUBLISHED, 1, 1, 0, 0, NOW, run, dataset_version=0)
    )
    airflow.run("sweep")
    started = {(dag_id, "operator_triggered", "queued") for dag_id in MISSED}
    assert runs(home) == started
    assert {one.subject for one in journal.decisions("weather", DecisionKind.SWEEP)} == MISSED

    airflow.run("sweep")
    assert runs(home) == started
    assert len(journal.decisions("weather", DecisionKind.SWEEP)) == len(MISSED)
