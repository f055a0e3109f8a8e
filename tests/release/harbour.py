"""A model's life from landed files of hourly rows to the monitor, as the DAGs run it."""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from almanac.data.ingest.ingest import ingest_batches
from almanac.draft.trial import CountedByMasks
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.monitoring.monitor import monitor
from almanac.release.promotion import promote, register, set_shadow
from almanac.release.run_judgement import judge
from almanac.scoring.score import score_new_windows, score_shadow
from almanac.storage.listing import list_files
from almanac.training.training_run import train


class Harbour:
    """The model's home; `train` is one run of the train DAG up to the verdict."""

    def __init__(self, model, home, registry, start: datetime, candidate: str) -> None:
        self.model, self.home, self.registry, self.hours = model, home, registry, 0
        self.start, self.candidate = start, candidate
        self.journal = Journal(f"sqlite:///{home.home}/journal.db")

    @property
    def now(self) -> datetime:
        return self.start + timedelta(hours=self.hours)

    def land(self, frame: pl.DataFrame):
        """Land a CSV file of later hours, and ingest it."""
        self.hours += frame.height
        landing = Path(self.home.landing_of(self.model.name))
        landing.mkdir(parents=True, exist_ok=True)
        path = landing / f"until_{self.hours}.csv"
        frame.with_columns(pl.col("Hour").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(path)
        landed = [one for one in list_files(str(landing), ("*.csv",)) if one.uri.endswith(path.name)]
        return ingest_batches(
            self.model,
            self.home,
            self.journal,
            landed,
            RunRef("ingest_load", str(self.hours)),
            now=self.now,
            clock=lambda: self.now,
            make_suite=CountedByMasks,
        )

    def train(self, name: str, overrides=None):
        run = RunRef("train_load", name)
        logged = train(
            self.model,
            self.home,
            self.registry,
            reason="a test",
            run=run,
            now=self.now,
            candidates=[self.candidate],
            overrides=overrides,
            on_progress=lambda _: None,
        )
        return logged, judge(self.model, self.home, self.journal, self.registry, logged, run=run, now=self.now)

    def register(self, logged: str, run: str) -> str:
        by = {"run": RunRef("train_load", run), "journal": self.journal, "now": self.now}
        return register(self.registry, self.model.name, logged, **by).version

    def shadow(self, number: str) -> None:
        by = {"run": RunRef("train_load", number), "journal": self.journal, "now": self.now}
        set_shadow(self.registry, self.model.name, number, reason="a test", **by)

    def crown(self, number: str) -> None:
        by = {"run": RunRef("promote_load", number), "journal": self.journal, "now": self.now}
        promote(self.registry, self.model, number, reason="a test", **by)

    def score(self):
        run = RunRef("score_load", "1")
        score_shadow(self.model, self.home, self.registry, run=run, now=self.now)
        return score_new_windows(self.model, self.home, self.registry, run=run, now=self.now)

    def monitor(self, run: str):
        by = {"run": RunRef("monitor_load", run), "now": self.now}
        return monitor(self.model, self.home, self.journal, self.registry, **by)
