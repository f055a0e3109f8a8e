"""Every declared kind of trigger against a running Airflow: posted, closed, backfilled, published."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.dataset import DatasetTable
from almanac.errors import PermanentError
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind, WindowState
from almanac.services.airflow_api import AirflowClient, DagRun
from almanac.services.services import Services
from demo.weather_files import TIMESTAMP_FORMAT, write_csv
from demo.weather_generator import generate_month
from tests.e2e.conftest import PARSED_ONCE, sweep_yearly
from tests.waiting import wait

pytestmark = pytest.mark.e2e

START = datetime(2021, 1, 1, tzinfo=UTC)
TRIGGERS = {
    "tides": {
        "kind": "event",
        "payload": {"station": {"type": "string", "values": ["hamina"]}, "height_m": {"type": "number", "max": 3}},
    },
    "minutely": {"kind": "schedule", "every": "1m", "timezone": "Europe/Helsinki"},
    "daily": {
        "kind": "window",
        "size": "1d",
        "delay": "1h",
        "start": "2021-01-01T00:00:00Z",
        "end": "2021-01-15T00:00:00Z",
        "catch_up": False,
        "max_concurrent": 4,
    },
}
PIPELINES = {"ingest": {"when": "arrival or schedule or (tides and minutely)"}, "score": {"when": "daily"}}
SHIPS_TRIGGERS = {"theirs": {"kind": "dependency", "model": "weather"}}


class Port:
    """Two models in a home of their own: `ships` waits for `weather`."""

    def __init__(self, home: Home, airflow: AirflowClient) -> None:
        self.home = home
        self.airflow = airflow
        self.journal = Journal(home.journal_url)

    def land(self, name: str, days: range) -> None:
        since, until = START + timedelta(days=days.start), START + timedelta(days=days.stop)
        hour = pl.col("Timestamp").str.to_datetime(TIMESTAMP_FORMAT, time_zone="UTC")
        rows = generate_month(2021, 1).filter(hour.is_between(since, until, closed="left"))
        write_csv(rows, Path(self.home.landing_of("weather")) / f"{name}.csv")

    def runs(self, dag_id: str, key: str = "") -> list[DagRun]:
        return [run for run in self.airflow.runs(dag_id) if key in run.run_id]

    def scored(self, day: int) -> int:
        """How often scoring was triggered for a day in January."""
        runs = self.airflow.listed("/dags/score_weather/dagRuns", "dag_runs")
        return sum(str(run["partition_key"]).startswith(f"2021-01-{day:02}T") for run in runs)

    def post(self, extra: dict[str, Any]) -> None:
        self.airflow.emit("almanac://weather/events/tides", extra)

    def states(self, run: DagRun) -> dict[str, str]:
        return {task.task_id: task.state for task in self.airflow.tasks(run.dag_id, run.run_id)}

    def windows(self) -> dict[int, WindowState]:
        return {each.window_start.day: each.state for each in self.journal.windows("weather")}


def finished(runs: list[DagRun]) -> list[DagRun]:
    return runs if runs and all(run.finished for run in runs) else []


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    """A home whose models declare one trigger of each kind, with ten days of weather ingested."""
    root = tmp_path_factory.mktemp("port")
    models = root / "models"
    shutil.copytree(MODELS_FOLDER, models)
    sweep_yearly(models / "_installation.yaml")
    weather = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    weather["source"] = {**weather.get("source", {}), "settle": "1s", "poll": "1s"}
    ships = {**weather, "triggers": SHIPS_TRIGGERS, "pipelines": {"score": {"when": "theirs"}}}
    weather |= {"triggers": TRIGGERS, "pipelines": PIPELINES}
    for name, declared in {"weather": weather, "ships": ships}.items():
        (models / f"{name}.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    home = Home(home=root, models=models)
    with Services(home, extra=PARSED_ONCE, report=print).running() as services, services.airflow() as airflow:
        wait(lambda: {"window_weather", "event_weather", "score_ships"} <= set(airflow.dag_ids()), "the DAGs")
        assert airflow.import_problems() == ()
        port = Port(home, airflow)
        port.land("first", range(10))
        dataset = DatasetTable.of(home, find_model(models, "weather"))
        wait(lambda: dataset.exists() and dataset.count() == 240, "ten days in the dataset", 180)
        yield port


def test_dependency_another_model_s_dataset_triggers(port: Port) -> None:
    (run,) = wait(lambda: finished(port.runs("score_ships")), "ships to be triggered by weather's dataset")
    assert (run.run_type, run.state) == ("asset_triggered", "success")
    assert port.states(run) == {"score": "skipped"}


def test_window_backfill_closes_each_window_of_the_range(port: Port) -> None:
    body = {
        "dag_id": "window_weather",
        "from_date": "2021-01-01T00:00:00Z",
        "to_date": "2021-01-12T00:00:00Z",
        "max_active_runs": 4,
    }
    port.airflow.call("POST", "/backfills", body=body)
    runs = wait(lambda: finished(port.runs("window_weather")), "the backfill", 240)
    assert [run.state for run in runs] == ["success"] * 12
    assert port.windows() == {**dict.fromkeys(range(1, 11), "done"), 11: "empty", 12: "empty"}
    triggered = wait(
        lambda: len(port.runs("score_weather")) >= 10 and port.runs("score_weather"), "scoring to be triggered"
    )
    assert len(triggered) == 10  # once for each window with rows, with its partition


def test_window_gaps_are_seen_in_one_command(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(port.home.home))
    monkeypatch.setenv("ALMANAC_MODELS", str(port.home.models))
    shown = CliRunner().invoke(app, ["windows", "weather"], env={"COLUMNS": "160"})
    assert shown.exit_code == 1
    assert shown.output.count(" gap ") == 2
    assert "from_date 2021-01-13T00:00:00Z  to_date 2021-01-14T00:00:00Z" in shown.output


def test_window_one_is_run_again_alone(port: Port) -> None:
    path = "/dags/window_weather/dagRuns"
    before, scored = len(port.runs("window_weather")), port.scored(3)
    port.airflow.call("POST", path, body={"logical_date": None, "partition_key": "2021-01-03T00:00:00"})
    runs = wait(lambda: finished(port.runs("window_weather")[before:]), "the window")
    assert [run.state for run in runs] == ["success"]
    wait(lambda: port.scored(3) == scored + 1, "scoring to be triggered for it again")
    with pytest.raises(PermanentError, match="expected the start of a window"):
        port.airflow.call("POST", path, body={"logical_date": None, "partition_key": "2021-01-03T05:00:00"})


def test_window_late_rows_reopen_it_and_trigger_its_listeners_again(port: Port) -> None:
    assert port.scored(11) == 0
    port.land("late", range(10, 11))
    wait(lambda: port.windows()[11] == "late", "11 January to be late")
    wait(lambda: port.scored(11) == 1, "scoring to be triggered for it")
    assert port.windows()[12] == "empty"


def test_event_accepted_triggers_with_the_clock_what_waits_for_both(port: Port) -> None:
    before = {run.run_id for run in port.runs("ingest_weather")}
    port.post({"station": "hamina", "height_m": 1.2})
    (run,) = wait(lambda: finished(port.runs("event_weather")), "the event to be checked")
    assert (run.state, port.states(run)["accept_tides"]) == ("success", "success")

    def triggered() -> DagRun | None:
        new = [each for each in port.runs("ingest_weather") if each.run_id not in before and each.finished]
        return next((each for each in new if each.run_type == "asset_triggered"), None)

    ingest = wait(triggered, "the ingest to be triggered by tides and minutely", 150)
    assert port.states(ingest)["find_batches"] == "skipped"  # green: no new data


def test_event_malformed_is_refused_recorded_and_red(port: Port) -> None:
    before = {run.run_id for run in port.runs("event_weather")}
    port.post({"station": "turku", "height": 1})
    new = wait(lambda: finished([r for r in port.runs("event_weather") if r.run_id not in before]), "the refusal")
    assert new[0].state == "failed"
    assert port.states(new[0])["accept_tides"] == "skipped"
    refused = port.journal.decisions("weather", DecisionKind.EVENT)[0]
    assert not refused.accepted
    assert refused.reasons[0] == "height: unknown field; declared are ['height_m', 'station']"
    assert refused.run.trigger == "asset_triggered: event_tides.weather"


def test_event_nobody_declared_is_refused_at_the_door(port: Port) -> None:
    with pytest.raises(PermanentError, match="no asset 'almanac://weather/events/storms'"):
        port.airflow.emit("almanac://weather/events/storms", {})
