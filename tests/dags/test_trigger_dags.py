"""DAGs of declared triggers: what Airflow waits for is what the YAML says, and it survives Airflow's serialization."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from almanac.config.home import MODELS_FOLDER, REPOSITORY

TRIGGERS = {
    "nightly": {"kind": "schedule", "cron": "0 2 * * *", "timezone": "Europe/Helsinki", "not_between": "07:00-19:00"},
    "hourly": {"kind": "schedule", "every": "1h"},
    "tides": {"kind": "event", "payload": {"station": {"type": "string"}}},
    "withdrawn": {"kind": "arrival", "patterns": ["*.csv"], "on": "deleted"},
    "ships": {"kind": "dependency", "model": "ships", "on": "champion"},
    "drilled": {"kind": "dependency", "model": "ships", "on": "training"},
    "daily": {"kind": "window", "size": "1d", "delay": "2h", "start": "2026-01-01T00:00:00Z", "max_concurrent": 3},
}
PIPELINES = {
    "ingest": {"when": "arrival or withdrawn or hourly or (tides and nightly)", "priority": 5},
    "train": {"when": "ships or drilled", "pool": "heavy", "enabled": False},
    "score": {"when": "daily"},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models; `weather` has one trigger of each kind."""
    models = tmp_path_factory.mktemp("home") / "models"
    models.mkdir()
    weather = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
    declared = {"weather": {**weather, "triggers": TRIGGERS, "pipelines": PIPELINES}, "ships": weather}
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    for name, content in declared.items():
        (models / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return models


@pytest.fixture(scope="module")
def dags(models: Path) -> dict[str, Any]:
    """The project's DAGs for them."""
    from airflow.dag_processing.dagbag import DagBag

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALMANAC_HOME", str(models.parent))
        patch.setenv("ALMANAC_MODELS", str(models))
        bag = DagBag(str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


def expression(dag: Any) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.asset_condition.as_expression()


def names(condition: Any) -> Any:
    if "asset" in condition:
        return condition["asset"]["name"]
    ((operator, parts),) = condition.items()
    return {operator: [names(part) for part in parts]}


def test_ingest_waits_for_any_event_and_for_both_of_an_and(dags: dict[str, Any]) -> None:
    assert names(expression(dags["ingest_weather"])) == {
        "any": ["landing_weather", "withdrawn.weather", {"all": ["tides.weather", "nightly.weather"]}]
    }
    assert "every 1h (UTC)" in dags["ingest_weather"].timetable.timetable.description


def test_and_of_a_schedule_gets_a_dag_that_emits_its_event(dags: dict[str, Any]) -> None:
    clock = dags["clock_weather_nightly"]
    assert [asset.name for asset in clock.get_task("strike").outlets] == ["nightly.weather"]
    assert "not between 07:00 and 19:00" in clock.doc_md
    assert "clock_weather_hourly" not in dags


def test_docs_say_the_effective_rule_in_words(dags: dict[str, Any]) -> None:
    assert "**Runs** when new files have settled in the landing area or files `*.csv` were deleted" in (
        dags["ingest_weather"].doc_md
    )
    assert "**Runs** when ships has a new champion" in dags["train_weather"].doc_md


def test_pool_priority_and_enabled_come_from_the_declaration(dags: dict[str, Any]) -> None:
    assert dags["ingest_weather"].get_task("ingest_batches").priority_weight == 5
    assert {task.pool for task in dags["train_weather"].tasks} == {"heavy"}
    assert dags["train_weather"].is_paused_upon_creation is True
    assert dags["score_weather"].is_paused_upon_creation is False


def test_dependency_and_event_and_window_assets(dags: dict[str, Any]) -> None:
    assert names(expression(dags["train_weather"])) == {"any": ["champion_ships", "training_ships"]}
    assert [asset.name for asset in dags["train_ships"].get_task("judge").outlets] == ["training_ships"]
    assert names(expression(dags["event_weather"])) == "event_tides.weather"
    assert names(expression(dags["score_weather"])) == "window_weather"
    assert [asset.name for asset in dags["event_weather"].get_task("accept_tides").outlets] == ["tides.weather"]


def waits_for_events(dag: Any) -> bool:
    return bool(getattr(dag.timetable, "asset_condition", None))


@pytest.mark.parametrize("name", ["weather", "ships"])
def test_every_dag_that_waits_for_an_event_has_a_state_that_the_sweep_looks_at(
    dags: dict[str, Any], models: Path, name: str
) -> None:
    from almanac.config.files.loader import load_model
    from almanac.events.handled import waiting_dags

    waiting = {dag_id for dag_id, dag in dags.items() if dag_id.endswith(f"_{name}") and waits_for_events(dag)}
    looked_at = {f"{one.kind}_{name}" for one in waiting_dags(load_model(models / f"{name}.yaml"))}
    assert waiting == looked_at | ({f"event_{name}"} & set(dags))  # which reads posted events itself


def test_sweep_reads_the_events_of_every_door(dags: dict[str, Any]) -> None:
    assert [asset.name for asset in dags["sweep"].get_task("start_missed").inlets] == ["event_tides.weather"]


def test_window_dag_is_partitioned_catches_up_and_limits_itself(dags: dict[str, Any]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    dag = dags["window_weather"]
    assert (dag.catchup, dag.max_active_runs) == (True, 3)
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    assert timetable.partitioned
    assert timetable.summary == "window 1d"


def test_trigger_dags_are_filled_in_for_people(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag.description
        assert dag.tags
        assert dag.doc_md
        for task in dag.tasks:
            assert task.owner == "almanac" or task.owner == "port-forecast"
            assert task.doc_md, (dag.dag_id, task.task_id)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "dags").glob("*.py")), ids=lambda path: path.name)
def test_dag_file_fits_on_a_page_of_the_code_tab(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 120
