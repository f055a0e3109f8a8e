"""Two models that declare a trigger of each kind: `ships` waits for `weather`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import WindowState
from almanac.sample.weather_files import TIMESTAMP_FORMAT, write_csv
from almanac.sample.weather_generator import generate_month
from almanac.services.airflow_api import AirflowClient, DagRun
from tests.e2e.events import post_event

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
        "end": "2021-01-09T00:00:00Z",
        "catch_up": False,
        "max_concurrent": 4,
    },
}
PIPELINES = {"ingest": {"when": "arrival or schedule or (tides and minutely)"}, "score": {"when": "daily"}}
SHIPS_TRIGGERS = {"theirs": {"kind": "dependency", "model": "weather"}}


class Port:
    """What lands there, and what Airflow and the journal say about it."""

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
        post_event(self.airflow, "almanac://weather/events/tides", extra)

    def states(self, run: DagRun) -> dict[str, str]:
        return {task.task_id: task.state for task in self.airflow.tasks(run.dag_id, run.run_id)}

    def windows(self) -> dict[int, WindowState]:
        return {each.window_start.day: each.state for each in self.journal.windows("weather")}


def declare(models: Path) -> None:
    """Let the shipped model have these triggers, and another model wait for it."""
    weather = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    weather["source"] = {**weather.get("source", {}), "settle": "1s", "poll": "1s"}
    ships = {**weather, "triggers": SHIPS_TRIGGERS, "pipelines": {"score": {"when": "theirs"}}}
    weather |= {"triggers": TRIGGERS, "pipelines": PIPELINES}
    for name, declared in {"weather": weather, "ships": ships}.items():
        (models / f"{name}.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")


def finished(runs: list[DagRun]) -> list[DagRun]:
    return runs if runs and all(run.finished for run in runs) else []
