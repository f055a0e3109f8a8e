"""A model's home with a real dataset, MLflow and journal, in which time passes."""

from datetime import timedelta

import polars as pl

from almanac.config.home import Home
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.release.promotion import promote, register
from almanac.release.run_judgement import judge
from almanac.training.training_run import decide_mode, train
from tests.data.parts import publish_rows
from tests.training.conftest import START, make_hours


class Story:
    """`publish` makes time pass, `run` is one run of the train DAG, `crown` promotes its candidate."""

    def __init__(self, model, home: Home, registry) -> None:
        self.model, self.home, self.registry = model, home, registry
        self.journal, self.runs, self.hours = Journal(home.journal_url), 0, 0

    def publish(self, count: int) -> None:
        frame = make_hours(self.hours + count)[self.hours :]
        rows = frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        publish_rows(DatasetTable.of(self.home, self.model), rows, f"batch{self.hours}")
        self.hours += count

    @property
    def now(self):
        return START + timedelta(hours=self.hours)

    def run(self, mode=None, model=None, trigger="manual", **by_hand):
        """One DAG run: the verdict of the gates, or the refusal."""
        self.runs += 1
        model, run, now = model or self.model, RunRef("train", f"run{self.runs}"), self.now
        asked = decide_mode(
            model,
            self.home,
            self.journal,
            self.registry,
            trigger=trigger,
            reason="a test",
            run=run,
            now=now,
            mode=mode,
            by_hand=bool(by_hand),
        )
        if not asked.decision.accepted:
            return asked.decision, None
        logged = train(
            model,
            self.home,
            self.registry,
            reason="a test",
            run=run,
            now=now,
            candidates=by_hand.get("candidates"),
            overrides=by_hand.get("overrides"),
            on_progress=lambda _: None,
            mode=asked.mode,
        )
        verdict = judge(model, self.home, self.journal, self.registry, logged, run=run, now=now)
        return verdict, self.registry.logged(logged)

    def crown(self, logged) -> str:
        run, by = RunRef("train", f"run{self.runs}"), {"journal": self.journal, "now": self.now}
        number = register(self.registry, self.model.name, logged.mlflow_run_id, run=run, **by).version
        promote(self.registry, self.model, number, reason="a test", run=run, **by)
        return number
