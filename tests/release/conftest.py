"""A real MLflow on SQLite, one for the session: its first use runs migrations for seconds."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.records import PASSED, Tag, TrainingContext
from almanac.registry.store import Registry
from almanac.release.judgement import judge_run
from almanac.release.promotion import promote, register
from almanac.training.candidate_log import log_candidate
from almanac.training.train import train_candidate
from almanac.training.trained import TrainedCandidate
from tests.data.parts import publish_rows
from tests.training.conftest import NOW, change, make_hours, small, weather  # noqa: F401 - fixtures

HOURS = 24 * 200
_numbers = count()


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    with tempfile.TemporaryDirectory(prefix="almanac-test-") as folder:
        yield Registry(f"sqlite:///{folder}/mlflow.db", artifact_root=f"{folder}/artifacts")


@pytest.fixture(scope="session")
def declared() -> Model:
    """The weather model with one small forest and gates that fit a small world."""
    values = load_model(Path(MODELS_FOLDER) / "weather.yaml").model_dump()
    values["train"]["backtest"] = {"folds": 2, "fold": "30d", "min_train_rows": 500}
    forest = {"estimator": "sklearn.ensemble.RandomForestClassifier", "scale": False}
    values["train"]["candidates"] = {"forest": {**forest, "params": {"n_estimators": 10, "max_depth": 6}}}
    values["gates"]["segments"].update({"by": "hour_of_day", "min_rows": 30, "required": (), "max_loss": 0.2})
    values["gates"]["champion"].update({"resamples": 100})
    values["gates"]["calibration"].update({"max_ece": 0.3})  # ten small trees are cautious
    values["gates"]["gap"].update({"max_gap": 0.3})
    values["gates"]["behaviour"] = {}  # what is true of the port's weather is not of this small world
    return Model.model_validate(values)


@pytest.fixture
def model(declared: Model) -> Model:
    """The model under a name of its own, so that tests which share the registry do not meet."""
    return declared.model_copy(update={"name": f"weather_{next(_numbers)}"})


@pytest.fixture(scope="session")
def frame():
    return make_hours(HOURS)


@pytest.fixture(scope="session")
def trained(declared: Model, frame) -> TrainedCandidate:
    return train_candidate(declared, frame, now=NOW)


@pytest.fixture(scope="session")
def crippled(declared: Model, frame) -> TrainedCandidate:
    return train_candidate(declared, frame, now=NOW, overrides={"max_depth": 1, "n_estimators": 1})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def run() -> RunRef:
    return RunRef("train_weather", f"manual__{next(_numbers)}+00:00", 2, "ada", "manual")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time each batch once: these tests do not look at the figures."""
    monkeypatch.setattr("almanac.training.export.speed._BUDGET_S", 0.0)


@pytest.fixture(autouse=True)
def plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no plots on model cards: that takes as long as all else; `test_model_card` has them drawn."""
    monkeypatch.setattr("almanac.release.model_card._pictures", lambda *_: [])


@pytest.fixture
def log(registry, model, run):
    """`log(candidate)`: log it for this test's model."""

    def logged(candidate, at=run, version: int = 36, profile: str = '{"rows": 1}') -> str:
        context = TrainingContext(at, dataset_version=version, reason="by hand")
        return log_candidate(registry, replace(candidate, model=model), profile_json=profile, context=context)

    return logged


@pytest.fixture
def crown(registry, model, frame, journal, run, log, trained):
    """`crown()`: log, judge, register and promote; gives the version."""

    def crowned(at=run, version: int = 36):
        fresher = trained.data.labelled_until + timedelta(hours=next(_numbers))  # what is as good needs newer rows
        run_id = log(replace(trained, data=replace(trained.data, labelled_until=fresher)), at, version)
        judge_run(model, registry, run_id, frame, journal=journal, run=at, now=NOW)
        number = register(registry, model.name, run_id, run=at, journal=journal, now=NOW).version
        return promote(registry, model, number, reason="passed", run=at, journal=journal, now=NOW)

    return crowned


@pytest.fixture(scope="session")
def kept(registry: Registry, declared: Model, trained: TrainedCandidate) -> str:
    """An MLflow run for tests that look at versions only: logging takes seconds. Nobody changes its files."""
    context = TrainingContext(RunRef("train_weather", "kept"), dataset_version=0, reason="by hand")
    return log_candidate(registry, trained, profile_json='{"rows": 1}', context=context)


@pytest.fixture
def stock(registry: Registry, model: Model, kept: str) -> Callable[..., None]:
    """`stock(run, ...)`: register a version of each MLflow run (none: three of the kept one).

    As if the gates had passed, each measured against the version before it.
    """

    def stocked(*runs: str) -> None:
        registry.client.create_registered_model(model.name)
        for number, run_id in enumerate(runs or (kept,) * 3):
            tags = {**registry.logged(run_id).tags, Tag.GATES: PASSED, Tag.PARENT_VERSION: str(number or "")}
            ours = {str(name): text for name, text in tags.items() if name.startswith("almanac.")}
            registry.client.create_model_version(model.name, f"runs:/{run_id}/model", run_id, tags=ours)

    return stocked


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path)


@pytest.fixture
def world(home: Home, model: Model, frame) -> Home:
    """A home whose dataset holds the rows of `frame`, at the version that `log` names."""
    rows = frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    publish_rows(DatasetTable.of(home, model), rows, "batch")
    return home


@pytest.fixture
def two(registry: Registry, model: Model, journal: Journal, run: RunRef, kept: str, stock) -> None:
    """Versions 1 and 2 of the kept MLflow run, of which 2 is champion and 1 was: without training and judging them."""
    stock(kept, kept)
    for version in ("1", "2"):
        promote(registry, model, version, reason="passed", run=run, journal=journal, now=NOW)
