"""Stands for the services of a drill where none can be started: the functions that their DAGs call, in a thread."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from almanac.config.home import Home
from almanac.drills.scratch_machine import ScratchMachine
from almanac.services.airflow_api import DagRun, TaskInstance
from tests.docs.states import MODEL

RUN_ID = "manual__drill"


class OneProcess:
    """As much of Airflow's client as a drill asks for."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.unpaused: list[str] = []
        self.triggered: list[str] = []

    def __enter__(self) -> "OneProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def airflow(self) -> "OneProcess":
        return self

    def dag_ids(self) -> tuple[str, ...]:
        return tuple(f"{kind}_{MODEL}" for kind in ("ingest", "train", "score"))

    def set_paused(self, dag_id: str, paused: bool) -> None:
        assert not paused
        self.unpaused.append(dag_id)

    def trigger(self, dag_id: str, conf: Mapping[str, str]) -> DagRun:
        assert dag_id in self.unpaused, f"{dag_id} is paused: its run would wait for ever"
        self.triggered.append(dag_id)
        if dag_id.startswith("score"):
            self._score(datetime.fromisoformat(conf["since"]), datetime.fromisoformat(conf["until"]))
        return self.run(dag_id, RUN_ID)

    def tasks(self, dag_id: str, run_id: str) -> tuple[TaskInstance, ...]:
        return (TaskInstance("judge", -1, "success", 1), TaskInstance("approve", -1, "awaiting_input", 1))

    def run(self, dag_id: str, run_id: str) -> DagRun:
        return DagRun(dag_id, run_id, "success", "manual", 1.0)

    def wait(self, dag_id: str, run_id: str, *, timeout_s: float) -> DagRun:
        return self.run(dag_id, run_id)

    def ingest(self) -> None:
        """What the watcher and `ingest_weather` do."""
        from almanac.config.files.loader import find_model
        from almanac.data.ingest.ingest import ingest_batches
        from almanac.journal.journal import Journal
        from almanac.journal.records import RunRef
        from almanac.storage.listing import list_files

        model, journal = find_model(self.home.models, MODEL), Journal(self.home.journal_url)
        if files := list_files(self.home.landing_of(MODEL), model.source.patterns):
            run = RunRef("ingest_weather", "drill")
            ingest_batches(model, self.home, journal, files, run, clock=lambda: datetime.now(UTC))

    def _score(self, since: datetime, until: datetime) -> None:
        from almanac.config.files.loader import find_model
        from almanac.journal.records import RunRef
        from almanac.registry.store import Registry
        from almanac.scoring.score import score_new_windows

        run, registry = RunRef("score_weather", "drill"), Registry.of(self.home)
        model, now = find_model(self.home.models, MODEL), datetime.now(UTC)
        score_new_windows(model, self.home, registry, run=run, now=now, since=since, until=until)


@contextmanager
def services(machine: ScratchMachine) -> Iterator[tuple[Any, float]]:
    """In the place of `ScratchMachine.services`."""
    one, over = OneProcess(machine.home), threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            if f"ingest_{MODEL}" in one.unpaused and not over.is_set():
                one.ingest()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield one, 0.0
    finally:
        over.set()
        watcher.join()
