"""The main story on a running stack, and what must be true of it after each fault."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import create_engine, text

from almanac.backup.snapshot.verify import Level, verify
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.tasks.run_backup import repositories_of
from almanac.config.files.loader import find_model
from almanac.data.table.dataset import DatasetTable
from almanac.errors import AlmanacError
from almanac.journal.journal import Journal
from almanac.registry import files
from almanac.registry.store import Registry
from almanac.services.airflow_api import AirflowClient
from almanac.services.uptime import service_uptimes
from almanac.storage.files import write_bytes
from almanac.training.passport import load_passport
from demo.native.stack import NativeStack
from demo.sink import WebhookSink
from tests.faults.landing_stores import Quay
from tests.production import small_weather
from tests.production.small_weather import MODEL

_SETTLE_S = 600.0
_SERVICES = ("postgres", "redis", "mlflow", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
# Beside the files that land in every round; in turn, or what a fault needs.
_WORK = {
    "train": (f"train_{MODEL}", {"reason": "a round of the fault suite"}),
    "backup": ("backup_databases", {"reason": "a round of the fault suite"}),
    "score": (f"score_{MODEL}", {"since": "2023-06-01T00:00:00Z", "until": "2023-06-03T00:00:00Z"}),
}


class StuckError(AssertionError):
    """Something did not come to its end."""


class StoreQuay(Quay):
    """A model whose landing area may be in an object store."""

    def _put(self, name: str, content: str) -> None:
        write_bytes(f"{self.home.landing_of(self.name)}/{name}", content.encode())


@dataclass
class Story:
    """Files land, models are trained, score and are backed up, on one stack.

    Args:
        stack: where it is played.
        quays: small models that take files.
        sink: the web hook that people are told by.
        draw: the source of chance.
    """

    stack: NativeStack
    quays: Sequence[Quay]
    sink: WebhookSink
    draw: random.Random
    _checked: set[str] = field(default_factory=set)
    _disturbed: set[tuple[Any, ...]] = field(default_factory=set)
    _everybody: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.journal, self.registry = Journal(self.stack.home.journal_url), Registry.of(self.stack.home)
        self._airflow_database = create_engine(self.stack.home.airflow_database_url, pool_pre_ping=True)

    def begin(self) -> None:
        """A history lands, the first champion is trained on it, and all of it is backed up."""
        content, rows = small_weather.history()
        dataset = DatasetTable.of(self.stack.home, find_model(self.stack.home.models, MODEL))
        with self.stack.airflow() as airflow:
            self._wait("the DAGs", lambda: self._knows_the_dags(airflow))
            write_bytes(f"{self.stack.home.landing_of(MODEL)}/history.csv", content)
            self._wait("the history", lambda: dataset.exists() and dataset.count() == rows)
            small_weather.run(airflow, *_WORK["train"])
            small_weather.run(airflow, *_WORK["backup"])
        self.settle()
        self._everybody = self._answering()
        self.look_after_alerts()
        assert self.registry.champion(MODEL) is not None

    def work(self, number: int, needs: str) -> None:
        """Let files land and one more thing begin."""
        for quay in self.quays:
            quay.land()
        kinds = list(_WORK)
        dag_id, conf = _WORK[needs if needs in _WORK else kinds[number % len(kinds)]]
        if dag_id == f"train_{MODEL}":  # the same again would be refused: no reason to replace what is in production
            conf = {**conf, "overrides": {"C": 1 + number / 1000}}
        with self.stack.airflow() as airflow:
            airflow.trigger(dag_id, conf)

    def settle(self) -> None:
        """Wait until all services are well, everything that landed is published, and no run is under way.

        Raises:
            StuckError: that does not come.
        """
        with self.stack.airflow() as airflow:
            self._wait("the services", lambda: self._well(airflow))
            self._wait("what has landed", lambda: all(quay.published() for quay in self.quays))
            self._wait("all runs to end", lambda: not self._under_way(airflow))
            self._wait("the services, again", lambda: self._well(airflow) and self._knows_the_dags(airflow))
            self._wait("what answered at the beginning", lambda: self._everybody <= self._answering())

    def look_after_alerts(self) -> None:
        """Make the round that Airflow makes every five minutes: it tells what was started again."""
        with self.stack.airflow() as airflow:
            small_weather.run(airflow, "alerts")

    def clear_what_failed(self) -> None:
        """What a runbook tells an operator to do with what is red; then its alert ends, and the next is sent again."""
        red = {one[:2] for one in self._disturbed if one[-1] == "failed" and one[0] != "alerts"}
        with self.stack.airflow() as airflow:
            for dag_id, run_id in red:
                cleared = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
                airflow.call("POST", f"/dags/{dag_id}/clearTaskInstances", body=cleared)
                assert airflow.wait(dag_id, run_id, timeout_s=_SETTLE_S).state == "success", f"{dag_id} {run_id}"
        self._disturbed |= {one for one in self._hurt() if one[:2] in red}  # a second try that was no fault's doing

    def lost_and_doubled(self) -> tuple[int, int]:
        """Rows of the dataset and of the quarantine that are missing, and that are there too often."""
        missing, extra = Counter[Any](), Counter[Any]()
        for quay in self.quays:
            rows = quay.dataset.read(columns=["Time", "x", "kind", "_batch", "_row"]).rows()
            bad = quay.quarantine.read_rows().select("batch", "row", "raw").rows()
            expected = Counter[Any](row for one in quay.landed for row in (*one.good, *one.bad))
            found = Counter[Any]([*rows, *bad])
            missing += expected - found
            extra += found - expected
        return missing.total(), extra.total()

    def faults_of_versions(self) -> list[str]:
        """Versions without their files or with more than one passport; aliases that the journal does not know."""
        wrong = []
        versions = self.registry.versions(MODEL)
        runs = Counter(version.mlflow_run_id for version in versions)
        wrong += [f"MLflow run {run} is {count} versions" for run, count in runs.items() if count > 1]
        for version in versions:
            if version.version not in self._checked:
                run = self.registry.client.get_run(version.mlflow_run_id)
                manifest = self.registry.artifacts(run).read(files.MANIFEST)
                for path in files.read_manifest(manifest, version.version):
                    self.registry.load_file(version, path)  # raises when it is not what was recorded
                assert load_passport(self.registry, version).model == MODEL
                self._checked.add(version.version)
        moved: dict[str, str] = {}
        for move in reversed(self.journal.alias_moves(MODEL)):
            moved[move.alias] = move.to_version
        aliases = self.registry.aliases(MODEL)
        known = {alias: version for alias, version in moved.items() if version}
        return wrong + ([] if aliases == known else [f"aliases are {aliases}, the journal knows {known}"])

    def faults_of_snapshots(self, level: Level = 2) -> list[str]:
        """What is wrong with any snapshot that can be seen."""
        place = repositories_of(self.stack.home, "").first
        verified = verify(place, Catalogue(place).refs(), level=level, now=self._now())
        return [f"{finding.ref}: {finding.text}" for finding in verified.findings]

    def disturbed(self) -> list[tuple[str, str, str]]:
        """Tasks that were tried again or failed since this was last asked: DAG, task, state."""
        now = self._hurt()
        new, self._disturbed = now - self._disturbed, now
        return [(row[0], row[2], row[5]) for row in sorted(new)]

    def _hurt(self) -> set[tuple[Any, ...]]:
        query = text(
            "SELECT dag_id, run_id, task_id, map_index, try_number, state FROM task_instance"
            " WHERE try_number > 1 OR state = 'failed'"
        )
        with self._airflow_database.connect() as connection:
            return {tuple(row) for row in connection.execute(query)}

    def _now(self) -> datetime:
        """By the clock of the stack, which may be hours ahead."""
        with self._airflow_database.connect() as connection:
            now: datetime = connection.execute(text("SELECT now()")).scalar_one()
            return now

    def _well(self, airflow: AirflowClient) -> bool:
        return airflow.health().unhealthy == () and all(self.stack.pids(name) for name in _SERVICES)

    def _answering(self) -> set[str]:
        """All that say since when they run: a worker that has just been started again does not yet."""
        broker = self.stack.environment("worker")["AIRFLOW__CELERY__BROKER_URL"]
        with self.stack.airflow() as airflow:
            return {one.name for one in service_uptimes(self.stack.home, broker, airflow, self._now())}

    def _knows_the_dags(self, airflow: AirflowClient) -> bool:
        """A DAG whose newest parse could not be written down is out of the list until the next one."""
        needed = {*(dag for dag, _ in _WORK.values()), *(f"ingest_{quay.name}" for quay in self.quays)}
        return needed <= set(airflow.dag_ids())

    def _under_way(self, airflow: AirflowClient) -> list[str]:
        found = []
        for state in ("running", "queued"):
            answer: Any = airflow.call("GET", "/dags/~/dagRuns", state=state, limit="100")
            found += [f"{run['dag_id']} {run['dag_run_id']} {state}" for run in answer["dag_runs"]]
        self._last_seen = found
        return found

    def _wait(self, what: str, until: Callable[[], Any]) -> None:
        """Services may be away meanwhile: no answer is not yet an answer."""
        deadline, message = time.monotonic() + _SETTLE_S, ""
        while True:
            try:
                if until():
                    return
                message = f"{getattr(self, '_last_seen', '')}"
            except (AlmanacError, OSError) as error:
                message = str(error)
            if time.monotonic() > deadline:
                raise StuckError(f"waited {_SETTLE_S:.0f} s for {what}: {message[:600]}")
            time.sleep(0.5)
