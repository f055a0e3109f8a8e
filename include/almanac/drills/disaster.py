"""The disaster drill: a lost machine. An empty one is restored from a backup repository and its key, and used.

The steps are those of the runbook *The machine is lost*, by the same commands; then the restored installation has to do
its work: a file lands and is ingested, a model is trained, hours are scored, and a prediction is traced.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.backup.drill.disaster_due import unplayable
from almanac.backup.drill.drills import DISASTER, DrillResult, record
from almanac.backup.restore.live import scratch
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.drills.scratch_machine import ScratchMachine
from almanac.errors import AlmanacError, ConfigError, IntegrityError

if TYPE_CHECKING:
    from almanac.registry.store import Registry
    from almanac.services.airflow_api import AirflowClient, DagRun

GROUP = "group/all"
_LEVEL = 6
_POLL_S = 1.0
_COMMAND_S = 900.0
_UNFINISHED = (
    "",
    "none",
    "scheduled",
    "queued",
    "running",
    "restarting",
    "up_for_retry",
    "up_for_reschedule",
    "deferred",
)


@dataclass
class Disaster:
    """One drill.

    Args:
        repository: whose newest group is restored.
        home: the real installation; its declarations are taken, and nothing else.
        timeout: of ingest, of training and of scoring, each.
        clock: the time.
        report: called with each step in words.
    """

    repository: BackupRepository
    home: Home
    timeout: timedelta
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    report: Callable[[str], None] = lambda _: None
    lines: list[str] = field(default_factory=list)

    def run(self) -> DrillResult:
        """Play it; a failure is a result, not an exception. The result is kept in the repository.

        Raises:
            ConfigError: this installation cannot be played on one machine.
            DataError: there is no group.
        """
        if why := unplayable(self.home):
            raise ConfigError(why)
        ref, started, at = Catalogue(self.repository).find(GROUP), time.monotonic(), self.clock()
        passed, level = True, _LEVEL
        with scratch(self.home.scratch / "drills") as folder:
            machine = ScratchMachine(folder, self.repository, self.home.models, self.home.built_environments)
            try:
                self._play(machine, ref, started)
            except AlmanacError as error:
                passed, level = False, 1
                self._report(f"{error}")
        result = DrillResult(
            DISASTER,
            ref.name,
            level,
            passed,
            tuple(self.lines),
            at,
            round(time.monotonic() - started, 3),
            round((at - ref.created).total_seconds(), 3),
            self.repository.uri,
        )
        record(self.repository, result)
        return result

    def _play(self, machine: ScratchMachine, ref: Ref, started: float) -> None:
        self._report(f"the newest {GROUP} was {_span((self.clock() - ref.created).total_seconds())} old (RPO)")
        machine.almanac("list", GROUP, "--second", timeout_s=_COMMAND_S, reads_backups=True)
        restored = machine.almanac("restore", str(ref), "--live", "--second", timeout_s=_COMMAND_S, reads_backups=True)
        for line in restored.splitlines():
            self.report(f"    {line}")
        _keep_quiet(machine.home)
        with machine.services() as (services, up_s):
            self._report(
                f"the services were up {_span(time.monotonic() - started)} after the beginning (RTO), {up_s:.0f} s of"
                " it for their start"
            )
            self._missing(restored)
            model = self._choose(machine)
            if model is None:
                self._report("no model has a dataset in it: nothing was ingested, trained, scored or traced")
                return
            with services.airflow() as airflow:
                work = _Work(machine, model, airflow, self.timeout.total_seconds())
                work.awake()
                self._report(work.ingest(self.clock()))
                self._report(work.train())
                prediction = work.score()
                self._report(f"scored: {prediction}" if prediction else "no champion: nothing was scored")
                self._report(work.trace(prediction))

    def _missing(self, restored: str) -> None:
        """What the restore itself says did not come back."""
        for line in restored.splitlines():
            if " is in " not in line and " loaded into " not in line:
                self._report(line)

    def _choose(self, machine: ScratchMachine) -> Model | None:
        """The first model with a dataset, one with a champion before others."""
        models = [
            model for model in load_models(machine.models).models if Path(machine.home.dataset_of(model.name)).is_dir()
        ]
        registry = _registry(machine.home)
        return min(models, key=lambda model: registry.champion(model.name) is None, default=None)

    def _report(self, text: str) -> None:
        self.lines.append(text)
        self.report(text)


@dataclass
class _Work:
    """What an installation is for, done by its own DAGs."""

    machine: ScratchMachine
    model: Model
    airflow: "AirflowClient"
    timeout_s: float

    def awake(self) -> None:
        """Let the three DAGs run that are to be seen working."""
        wanted = {f"{kind}_{self.model.name}" for kind in ("ingest", "train", "score")}
        self._wait("the DAGs of the model", lambda: wanted <= set(self.airflow.dag_ids()))
        for dag_id in wanted - {f"score_{self.model.name}"}:
            self.airflow.set_paused(dag_id, False)

    def ingest(self, now: datetime) -> str:
        """Land a file; the restored installation finds it by itself."""
        from almanac.data.ingest.sample_file import write_sample
        from almanac.data.table.dataset import DatasetTable
        from almanac.journal.journal import Journal

        home = self.machine.home
        rows = DatasetTable.of(home, self.model).read()
        landing = Path(home.landing_of(self.model.name))
        made = write_sample(self.model, rows, self.machine.root / "made", now=now)
        landing.mkdir(parents=True, exist_ok=True)
        landed = made.rename(landing / made.name)
        journal = Journal(home.journal_url)

        def batch() -> str:
            found = (one for one in journal.batches(self.model.name) if one.uri.endswith(f"/{landed.name}"))
            return next((f"{one.state.value}: {', '.join(one.reasons)}" for one in found), "")

        state = self._wait("the landed file", batch)
        after = DatasetTable.of(home, self.model).read(columns=[self.model.dataset.time]).height
        if after <= rows.height:
            raise IntegrityError(f"{landed.name}: landed, but none of its rows was published; it is {state}")
        return f"{landed.name} landed: {after - rows.height} rows published, {after} in all"

    def train(self) -> str:
        """Train; the gates judge, and may refuse."""
        run = self._trigger("train", reason="disaster drill")
        state = self._wait("the training", lambda: self._judged(run))
        if state != "success":
            raise IntegrityError(f"train_{self.model.name}: `judge` ended as {state}; {self._log(run)}")
        versions = _registry(self.machine.home).versions(self.model.name)
        return f"trained and judged: the registry has {len(versions)} versions"

    def score(self) -> str:
        """Let the champion score the newest day again; give the id of a prediction, none without a champion."""
        from almanac.data.table.dataset import DatasetTable
        from almanac.scoring.predictions import PredictionTable

        champion = _registry(self.machine.home).champion(self.model.name)
        if champion is None:
            return ""
        newest = DatasetTable.of(self.machine.home, self.model).read(columns=[self.model.dataset.time]).max().item()
        since = (newest - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        until = since + timedelta(days=3)
        self.airflow.set_paused(f"score_{self.model.name}", False)
        began = datetime.now(UTC)
        run = self._trigger("score", since=since.isoformat(), until=until.isoformat())
        run = self.airflow.wait(run.dag_id, run.run_id, timeout_s=self.timeout_s)
        table = PredictionTable.of(self.machine.home, self.model)
        rows = table.read(champion.version, since=since, until=until)
        if run.state != "success" or rows.is_empty() or rows["scored_at"].max() < began:  # type: ignore[operator]
            raise IntegrityError(f"score_{self.model.name}: {run.state}, {rows.height} predictions; {self._log(run)}")
        return str(rows["id"][-1])

    def trace(self, prediction: str) -> str:
        """Where it comes from, down to the file."""
        newest = f"{self.model.name}@{_registry(self.machine.home).versions(self.model.name)[0].version}"
        what = prediction or newest
        output = self.machine.almanac("trace", what, timeout_s=_COMMAND_S)
        if "dataset" not in output:
            raise IntegrityError(f"`./almanac trace {what}` does not name the dataset: {output[-500:]}")
        return f"traced: {what}"

    def _trigger(self, kind: str, **conf: str) -> "DagRun":
        return self.airflow.trigger(f"{kind}_{self.model.name}", conf)

    def _judged(self, run: "DagRun") -> str:
        """How `judge` ended: after it a person may be asked, for whom a drill does not wait. Empty: it has not."""
        states = {task.task_id: task.state for task in self.airflow.tasks(run.dag_id, run.run_id)}
        if (state := states.get("judge", "")) and state not in _UNFINISHED:
            return state
        finished = self.airflow.run(run.dag_id, run.run_id)
        return f"{finished.state} of the run" if finished.finished else ""

    def _log(self, run: "DagRun") -> str:
        states = [f"{task.task_id} {task.state}" for task in self.airflow.tasks(run.dag_id, run.run_id)]
        return f"tasks: {', '.join(states)}"

    def _wait(self, what: str, until: Callable[[], object]) -> str:
        deadline = time.monotonic() + self.timeout_s
        while time.monotonic() < deadline:
            if found := until():
                return str(found)
            time.sleep(_POLL_S)
        raise IntegrityError(f"{what}: not within {self.timeout_s:.0f} s")


def _registry(home: Home) -> "Registry":
    from almanac.registry.store import Registry

    return Registry.of(home)


def _keep_quiet(home: Home) -> None:
    """Pause every DAG: a drill sends no mail, fetches from no source and ends no question of the real installation."""
    path = home.home / "airflow" / "airflow.db"
    if path.is_file():
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE dag SET is_paused = 1")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"
