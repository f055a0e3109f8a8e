"""The sensor looks in every mode by the same rules; deferrable it waits in the triggerer, which may die."""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

from almanac.config.home import MODELS_FOLDER, Home
from almanac_airflow.sensors import NewDataSensor
from almanac_airflow.triggers.new_files import NewFilesTrigger
from tests.plugins.operators.running import context_of_task, run, running


@pytest.fixture(autouse=True)
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    folder = Path(Home().landing_of("weather"))
    folder.mkdir(parents=True)
    return folder


def land(folder: Path, name: str) -> None:
    (folder / name).write_text("x")
    hour_ago = time.time() - 3600
    os.utime(folder / name, (hour_ago, hour_ago))


def sensor(**more: Any) -> NewDataSensor:
    with DAG("their_dag", schedule=None):
        return NewDataSensor(task_id="wait", model="weather", **more)


def names(files: list[dict[str, Any]]) -> list[str]:
    return [file["name"] for file in files]


@pytest.mark.parametrize("deferrable", [True, False])
def test_sensor_returns_the_files_at_once_where_there_are_some(landing: Path, deferrable: bool) -> None:
    land(landing, "a.csv")
    assert names(run(sensor(deferrable=deferrable), context_of_task())) == ["a.csv"]


@pytest.mark.parametrize("deferrable", [True, False])
def test_sensor_without_files_in_time_fails(landing: Path, deferrable: bool) -> None:
    waits = sensor(deferrable=deferrable, timeout=0.001, poke_interval=0.01)
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    with pytest.raises(AirflowSensorTimeout):
        run(waits, context_of_task(), **({"began": long_ago} if deferrable else {}))


def deferred(waits: NewDataSensor, **more: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        run(waits, context_of_task(), **more)
    return caught.value


def test_sensor_defers_keeps_when_it_began_and_reports_what_came_meanwhile(landing: Path) -> None:
    waits = sensor(deferrable=True, timeout=600)
    first = deferred(waits)
    assert first.method_name == "execute"
    again = deferred(waits, **(first.kwargs or {}))
    assert again.kwargs == first.kwargs
    land(landing, "a.csv")
    assert names(run(waits, context_of_task(), event={"files": 0}, **(first.kwargs or {}))) == ["a.csv"]


def test_sensor_never_reports_twice_even_when_the_trigger_fires_twice(landing: Path) -> None:
    land(landing, "a.csv")
    run(sensor(deferrable=True), context_of_task())
    other = context_of_task(run_id="manual__2")
    with pytest.raises(TaskDeferred):
        run(sensor(deferrable=True), other, event={"files": 1}, began=datetime.now(UTC).isoformat())


def test_sensor_looks_again_soon_where_a_file_becomes_old_enough(landing: Path) -> None:
    land(landing, "a.csv")
    waits = deferred(sensor(deferrable=True, min_files=2, max_age=timedelta(hours=1, seconds=30)))
    assert waits.trigger.serialize()[1]["look_again_at"] - time.time() < 31


def fires(trigger: NewFilesTrigger, *, within_s: float = 20.0) -> Any:
    async def first() -> Any:
        return await asyncio.wait_for(anext(trigger.run()), within_s)

    return asyncio.run(first()).payload


def trigger_of(landing: Path, **more: Any) -> NewFilesTrigger:
    values = {"poll_s": 0.01, "settle_s": 0.0, "seen": "", "look_again_at": time.time() + 600, **more}
    return NewFilesTrigger(root=str(landing), patterns=["*.csv"], **values)


def test_trigger_built_again_after_a_death_fires_for_what_landed_meanwhile(landing: Path) -> None:
    waits = deferred(sensor(deferrable=True))
    path, values = waits.trigger.serialize()
    assert path == f"{NewFilesTrigger.__module__}.NewFilesTrigger"
    land(landing, "a.csv")  # no triggerer lives
    assert fires(NewFilesTrigger(**{**values, "poll_s": 0.01, "settle_s": 0.0})) == {"files": 1}


def test_trigger_does_not_fire_for_what_the_sensor_has_seen_but_looks_again_in_time(landing: Path) -> None:
    from almanac.config.files.loader import find_model
    from almanac_airflow.steps import arrival

    land(landing, "a.csv")
    model = find_model(MODELS_FOLDER, "weather")
    seen = arrival.digest(Home(), model, datetime.now(UTC))
    assert fires(trigger_of(landing, seen=seen, look_again_at=time.time() + 0.3)) == {"files": 0}
    assert fires(trigger_of(landing, seen="another")) == {"files": 1}


def test_trigger_waits_until_a_file_has_settled(landing: Path) -> None:
    land(landing, "a.csv")
    assert fires(trigger_of(landing, settle_s=7200.0, look_again_at=time.time() + 0.3)) == {"files": 0}


def test_trigger_survives_a_store_that_is_away(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from almanac.errors import TransientError

    land(landing, "a.csv")
    made = trigger_of(landing)
    real, failures = made._list, iter([True])

    def sometimes() -> Any:
        if next(failures, False):
            raise TransientError("away")
        return real()

    monkeypatch.setattr(made, "_list", sometimes)
    assert fires(made) == {"files": 1}


def test_sensor_that_is_poked_returns_what_it_found(landing: Path) -> None:
    waits = sensor(deferrable=False)
    with running(context_of_task()):
        assert not waits.poke(context_of_task())
        land(landing, "a.csv")
        found = waits.poke(context_of_task())
    assert names(found.xcom_value) == ["a.csv"]
