"""The DAGs of `docs/your-own-dag.md` are what a team would copy: each is parsed, and its operators do their work."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from almanac.config.home import MODELS_FOLDER, REPOSITORY, Home
from tests.dags.one_process import OneProcess
from tests.plugins.operators.running import context_of_task, extras, run
from tests.training.conftest import make_hours

EXAMPLES = REPOSITORY / "docs" / "examples"
GRAPHS = {
    "port_extraction": ["extract", "validate", "deliver", "ingest"],
    "warehouse_check": ["validate", "load"],
    "own_training": ["train", "export", "judge", "register", "ask", "go_live"],
    "score_regions": ["wait", "ingest", "score", "monitor"],
    "port_schedules": ["write_schedules"],
    "port_schedules_backup": ["backup", "drill"],
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    monkeypatch.setattr("almanac_airflow.access.credentials.find_reserved", lambda _: None)
    return Home()


@pytest.fixture
def dags(home: Home) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(EXAMPLES))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_examples_are_parsed_and_their_graphs_are_as_the_page_says(dags: dict[str, Any]) -> None:
    assert {name: [task.task_id for task in dag.topological_sort()] for name, dag in dags.items()} == GRAPHS
    page = (REPOSITORY / "docs" / "your-own-dag.md").read_text("utf-8")
    assert [path.name for path in EXAMPLES.glob("*.py") if f"(examples/{path.name})" not in page] == []


def weather(hours: int, **spoiled: float) -> pl.DataFrame:
    frame = make_hours(hours).with_columns(pl.lit("port").alias("Location"))
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in spoiled.items()
    )


def test_example_of_a_warehouse_alerts_about_rows_of_its_night_only(dags: dict[str, Any], tmp_path: Path) -> None:
    rows = weather(48, Humidity=7.0)
    write_deltalake(str(tmp_path / "t"), rows.to_arrow(compat_level=pl.CompatLevel.oldest()))
    start = rows["Timestamp"][0]
    validate = dags["warehouse_check"].get_task("validate")
    validate.uri = str(tmp_path / "t")
    day = {"data_interval_start": start, "data_interval_end": start + timedelta(days=1)}
    with pytest.raises(Exception, match=r"1 of 24 rows are bad .*Humidity\.range") as failed:
        run(validate, context := {**context_of_task(), **day})
    assert type(failed.value).__name__ == "FailedCheckError"
    assert context["pushed"]["return_value"]["broken_rules"] == {"Humidity.range": 1}
    next_day = {"data_interval_start": day["data_interval_end"], "data_interval_end": start + timedelta(days=2)}
    validate.since, validate.until = "{{ data_interval_start }}", "{{ data_interval_end }}"
    assert run(validate, {**context_of_task(), **next_day})["good_rows"] == 24


def test_example_of_an_extraction_ingests_what_was_checked(
    dags: dict[str, Any], home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    dag, extracted = dags["port_extraction"], tmp_path / "weather_20260101.csv"
    weather(24).with_columns(pl.col("Timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(extracted)
    hour_ago = time.time() - 3600
    os.utime(extracted, (hour_ago, hour_ago))
    validate = dag.get_task("validate")
    validate.uri, validate.quarantine_to = str(extracted), str(tmp_path / "refused")
    verdict = run(validate, context_of_task())
    Path(home.landing_of("weather")).mkdir(parents=True)
    dag.get_task("deliver").python_callable(verdict)
    summary = run(dag.get_task("ingest"), context := context_of_task())
    assert summary["published_rows"] == verdict["good_rows"] == 24
    assert extras(context)["dataset_weather"]["dataset_version"] == summary["dataset_version"]


def test_example_of_a_folder_backs_it_up_and_brings_it_back(dags: dict[str, Any], home: Home, tmp_path: Path) -> None:
    (tmp_path / "schedules").mkdir()
    (tmp_path / "schedules" / "monday.txt").write_text("the pilot at six")
    dag = dags["port_schedules_backup"]
    dag.get_task("backup").folders = {"schedules": str(tmp_path / "schedules")}
    context = context_of_task()
    context["dag_run"].run_id = "manual__1"
    (taken,) = run(dag.get_task("backup"), context)
    assert (taken["files"], taken["new"]) == (1, True)
    assert taken["snapshot"].startswith("folder/schedules@")
    results = run(dag.get_task("drill"), context_of_task())
    assert any("folder/schedules" in line for line in results)
    assert any("damaged copy" in line for line in results)


@pytest.mark.slow
def test_examples_run_in_airflow_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    folder = tmp_path / "dags"
    folder.mkdir()
    text = (EXAMPLES / "backup_a_folder.py").read_text("utf-8")
    (folder / "backup.py").write_text(text.replace("/srv/port/schedules", str(tmp_path / "schedules")), "utf-8")
    (tmp_path / "schedules").mkdir()
    (tmp_path / "schedules" / "monday.txt").write_text("the pilot at six")
    airflow = OneProcess(Home(home=tmp_path / "home"), AIRFLOW__CORE__DAGS_FOLDER=str(folder))
    output = airflow.run("port_schedules_backup")
    assert "folder/schedules" in output
