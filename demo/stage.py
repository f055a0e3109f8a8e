"""What the story's steps use: the public interfaces of the running services, and the generator.

Files are dropped, runs are started and watched over Airflow's REST API, versions are read with MLflow's client,
tables are read as any Delta reader reads them. Nothing reaches behind these.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from almanac.config.home import REPOSITORY
from almanac.data.table.delta_table import read_table
from almanac.errors import TransientError
from almanac.sample.weather_generator import TODAY, generate_month

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl
    from mlflow import MlflowClient

    from almanac.config.home import Home
    from almanac.sample.climate import Climate
    from almanac.services.airflow_api import AirflowClient, DagRun, Json
    from demo.ledger import Ledger
    from demo.sink import WebhookSink

MODEL = "weather"
# A run starts within seconds of its trigger; when nothing has run for this long, nothing more will come. Where no event
# waits for a run either, only what a watcher is about to find could come.
QUIET_S = 6.0
CERTAIN_S = 1.5
# What a quiet machine does in a minute takes one that does other things too some minutes; only a fault waits so long.
PATIENCE = 3.0
KINDS = (
    "backup_data",
    "backup_model",
    "ingest",
    "train",
    "score",
    "monitor",
    "event",
    "window",
    "reopen",
    "readmit",
    "promote",
    "rollback",
    "rollback_drill",
)


class StoryError(Exception):
    """Something that the story waited for did not happen."""


@dataclass
class Stage:
    """The running services, as a client sees them."""

    home: Home
    artifacts: Path
    airflow: AirflowClient
    mlflow: MlflowClient
    sink: WebhookSink
    ledger: Ledger
    faults: Path
    root: Path
    secrets: Mapping[str, str] = field(repr=False)
    report: Callable[[str], None]
    cooldown_s: float
    # Where `./almanac` does not run on this machine: runs it, and is given its arguments and a timeout.
    command_line: Callable[..., subprocess.CompletedProcess[str]] | None = None
    figures: dict[str, object] = field(default_factory=dict)
    _training_ended: float = 0.0

    @property
    def landing(self) -> Path:
        """The folder in which the port drops its files."""
        return Path(self.home.landing_of(MODEL))

    def almanac(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in the story's home."""
        timeout_s = 240 * PATIENCE
        if self.command_line is not None:
            return self.command_line(*arguments, timeout_s=timeout_s)
        home = self.home
        places = {f"ALMANAC_{name.upper()}": str(getattr(home, name)) for name in type(home).model_fields}
        tracking = {"MLFLOW_TRACKING_URI": str(self.mlflow.tracking_uri)}
        return subprocess.run(
            [str(REPOSITORY / "almanac"), *arguments],
            env={**os.environ, **places, **tracking, "COLUMNS": "250"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def month(self, year: int, month: int, climate: Climate = TODAY) -> pl.DataFrame:
        """The synthetic hours of one month."""
        return generate_month(year, month, climate=climate)

    # SQLite that another process writes to makes Airflow answer 500; the event is not kept then.
    @retry(retry=retry_if_exception_type(TransientError), stop=stop_after_attempt(5), wait=wait_fixed(3), reraise=True)
    def emit(self, asset_uri: str, extra: Mapping[str, Json]) -> None:
        """Post an asset event, as a system elsewhere does."""
        self.airflow.emit(asset_uri, extra)

    def land(self, files: list[Path]) -> None:
        """Move finished files into the landing area, all at once."""
        self.landing.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.move(file, self.landing / file.name)

    def wait(self, what: str, until: Callable[[], Any], *, timeout_s: float = 120.0) -> Any:
        """Ask again and again until the answer is true, and give it back.

        Raises:
            StoryError: it did not become true in time.
        """
        timeout_s *= PATIENCE
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if answer := until():
                return answer
            time.sleep(0.5)
        raise StoryError(f"waited {timeout_s:.0f} s for {what}")

    def runs(self, kind: str) -> tuple[DagRun, ...]:
        """The runs of the DAG `<kind>_weather`, the oldest first."""
        return self.airflow.runs(f"{kind}_{MODEL}")

    def known(self, kind: str) -> set[str]:
        """The ids of the runs that there are, to tell later ones from them."""
        return {run.run_id for run in self.runs(kind)}

    def wait_run(self, kind: str, *, after: set[str], what: str, timeout_s: float = 240.0) -> DagRun:
        """Wait for a run that is not among `after` and has ended in a task that did something, or failed."""

        def ended() -> DagRun | None:
            new = (run for run in self.runs(kind) if run.run_id not in after and run.finished)
            return next((run for run in new if run.state == "failed" or self._did_something(run)), None)

        run: DagRun = self.wait(what, ended, timeout_s=timeout_s)
        return run

    def run_by_hand(self, kind: str, conf: dict[str, Any]) -> DagRun:
        """Start a run with parameters and wait for its end."""
        run = self.airflow.trigger(f"{kind}_{MODEL}", conf)
        return self.wait_end(run, timeout_s=240)

    def wait_end(self, run: DagRun, *, timeout_s: float) -> DagRun:
        """Wait until a run has ended, well or not."""
        return self.airflow.wait(run.dag_id, run.run_id, timeout_s=timeout_s * PATIENCE)

    def wait_quiet(self, *, timeout_s: float = 300.0) -> None:
        """Wait until no run is queued or running, and none will come; one that waits for a person may wait."""
        dags = [f"{kind}_{MODEL}" for kind in KINDS]
        quiet_since: float | None = None

        def quiet() -> bool:
            nonlocal quiet_since
            # Events first: when their run is made, they are gone in the same transaction.
            events = quiet_since is not None and any(self.airflow.has_queued_events(dag_id) for dag_id in dags)
            if any(run.dag_id in dags and self._busy(run) for run in self.airflow.unfinished()):
                quiet_since = None
                return False
            quiet_since = quiet_since or time.monotonic()
            return time.monotonic() - quiet_since >= (QUIET_S if events else CERTAIN_S)

        self.wait("all runs to end", quiet, timeout_s=timeout_s)

    def start_cooldown(self) -> None:
        """Note that a training has just ended: its cooldown, which began before, is over `cooldown_s` from now."""
        self._training_ended = time.monotonic()

    def wait_cooldown(self) -> None:
        """Wait until a retrain request would no longer be refused because of the first training."""
        left = self._training_ended + self.cooldown_s - time.monotonic()
        if left > 0:
            self.report(f"          the cooldown of the first training lasts {left:.0f} s more; waiting")
            time.sleep(left)

    def states(self, run: DagRun) -> dict[str, str]:
        """The state of each task of a run."""
        return {task.task_id: task.state for task in self.airflow.tasks(run.dag_id, run.run_id)}

    def result(self, run: DagRun, task_id: str) -> Any:
        """What a task returned (its XCom)."""
        return self.airflow.xcom(run.dag_id, run.run_id, task_id)

    def dataset(self) -> pl.DataFrame:
        """All rows of the dataset, as any reader sees them."""
        return read_table(self.home.dataset_of(MODEL))

    def dataset_rows(self) -> int:
        """The number of rows of the dataset."""
        from deltalake import DeltaTable

        uri = self.home.dataset_of(MODEL)
        return int(DeltaTable(uri).count()) if DeltaTable.is_deltatable(uri) else 0

    def dataset_version(self) -> int:
        """The Delta version of the dataset."""
        from deltalake import DeltaTable

        return int(DeltaTable(self.home.dataset_of(MODEL)).version())

    def quarantine(self) -> pl.DataFrame:
        """All rows of the quarantine."""
        return read_table(self.home.quarantined_rows_of(MODEL))

    def predictions(self) -> pl.DataFrame:
        """All predictions; none before the first were written."""
        return read_table(self.home.predictions_of(MODEL))

    def version_of(self, alias: str) -> str | None:
        """The version that an MLflow alias points to."""
        found = self.mlflow.search_registered_models(filter_string=f"name='{MODEL}'")
        return dict(found[0].aliases).get(alias) if found else None

    def _busy(self, run: DagRun) -> bool:
        return not run.finished and "awaiting_input" not in self.states(run).values()

    def _did_something(self, run: DagRun) -> bool:
        return "success" in self.states(run).values()
