"""A small installation with something of everything that is backed up."""

import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import polars as pl
from deltalake import write_deltalake

from almanac.backup.snapshot.backup import BackupRun
from almanac.backup.store.manifest import Maker
from almanac.backup.store.repository import BackupRepository
from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.records import PASSED, Tag, TrainingContext
from almanac.registry.store import Registry
from almanac.release.promotion import promote, register
from almanac.training.candidate_log import log_candidate
from almanac.training.train import train_candidate
from tests.training.conftest import NOW, make_hours

MODEL = "weather"
RUN = RunRef("train_weather", "manual__1", 1, "ada", "manual")
MAKER = Maker(dag_id="test", started_by="ada", reason="a test")
ODD = "-Jörg's world (1) & co, a+b~c@d!e:f=g 日本."
ROWS = {0: 24, 1: 48, 2: 72, 3: 60}


@dataclass(frozen=True)
class World:
    """The installation."""

    home: Home
    registry: Registry
    model: Model

    def backup(self, repository: BackupRepository, **more: object) -> BackupRun:
        return BackupRun(self.home, repository, MAKER, self.registry, **more)


@cache
def shared_world() -> World:
    """One for all tests of the session, which leave it as it is; it goes with the session's home.

    Its path holds every character that is allowed, so that every test which uses it is one of such paths.
    """
    home = Path(os.environ["ALMANAC_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    return make_world(Path(tempfile.mkdtemp(prefix=ODD, dir=home)))


def make_world(root: Path, tracking_uri: str = "") -> World:
    """Train, register and promote two versions; write tables with history, quarantine, reports and a journal."""
    home = Home(home=root / "home", MLFLOW_TRACKING_URI=tracking_uri or f"sqlite:///{root}/home/mlflow.db")
    home.home.mkdir(parents=True)
    model = _small_model()
    registry, journal = Registry.of(home), Journal(home.journal_url)
    candidate = train_candidate(model, make_hours(24 * 120), now=NOW)
    for number in (1, 2):
        run = RunRef("train_weather", f"manual__{number}", 1, "ada", "manual")
        context = TrainingContext(run, dataset_version=number, reason="a test")
        run_id = log_candidate(registry, candidate, profile_json="{}", context=context)
        for step, loss in enumerate((0.9, 0.5, 0.4)):
            registry.client.log_metric(run_id, "loss", loss, step=step)
        registry.client.set_tag(run_id, Tag.GATES.value, PASSED)
        version = register(registry, MODEL, run_id, run=run, journal=journal, now=NOW)
        promote(registry, model, version.version, reason="a test", run=run, journal=journal, now=NOW)
    write_dataset(home.dataset_of(MODEL))
    write_deltalake(home.predictions_of(MODEL), pl.DataFrame({"time": [1, 2], "probability": [0.1, 0.9]}))
    write_deltalake(home.quarantined_rows_of(MODEL), pl.DataFrame({"batch": ["a"], "row": [1]}))
    for repository, text in ((home.quarantined_files_of(MODEL), "bad,file"), (home.reports_of(MODEL), "<html>")):
        Path(repository).mkdir(parents=True)
        Path(repository, "one.txt").write_text(text)
    journal.record_decision(Decision(MODEL, DecisionKind.GATES, True, ("good",), datetime.now(UTC), RUN))
    return World(home, registry, model)


def write_dataset(uri: str) -> None:
    """Versions 0 to 2 each add a day; 3 replaces the last month by less."""
    for day in range(3):
        write_deltalake(uri, _day(day), mode="append", partition_by=["_month"])
    write_deltalake(uri, _day(9).head(12), mode="overwrite", predicate="_month = '2026-03'")


def _day(day: int) -> pl.DataFrame:
    month = f"2026-0{min(day, 2) + 1}"
    return pl.DataFrame({"hour": range(24), "value": [day * 1.5] * 24, "_month": [month] * 24})


def _small_model() -> Model:
    values = load_model(Path(MODELS_FOLDER) / f"{MODEL}.yaml").model_dump()
    values["train"]["backtest"] |= {"folds": 2, "fold": "30d", "min_train_rows": 500}
    forest = {"estimator": "sklearn.ensemble.RandomForestClassifier", "scale": False}
    values["train"]["candidates"] = {"forest": {**forest, "params": {"n_estimators": 5, "max_depth": 4}}}
    values["gates"]["segments"].update({"by": "hour_of_day", "min_rows": 30, "required": (), "max_loss": 0.2})
    return Model.model_validate(values)
