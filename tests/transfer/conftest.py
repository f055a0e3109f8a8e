"""Two installations on disk: one that has trained a version, and one that may take it. Each has its own MLflow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from sklearn.pipeline import Pipeline

from almanac.backup.store.keys import Key, find_or_make_keys
from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.records import TrainingContext
from almanac.registry.store import Registry
from almanac.release.promotion import promote, register
from almanac.release.run_judgement import judge
from almanac.training.candidate_log import log_candidate
from almanac.training.fit.graph_estimator import GraphClassifier
from almanac.training.fit.program_fit import ProgramFiles
from almanac.training.trained import TrainedCandidate
from almanac.transfer.arrival import Imported, import_version
from almanac.transfer.export import export_version
from almanac.transfer.signature import public_key
from tests.data.parts import publish_rows
from tests.release.conftest import declared, frame, hasty, plots, trained  # noqa: F401 - fixtures
from tests.training.conftest import NOW

NAME = "weather"
NATIVE = b"\x80\x04 what a framework keeps"


@dataclass(eq=False)
class Site:
    """One installation; `done`: what became of the archive that it has taken."""

    home: Home
    registry: Registry
    journal: Journal
    done: Imported | None = None

    @property
    def model(self) -> Model:
        return find_model(self.home.models, NAME)

    @property
    def key(self) -> Key:
        return find_or_make_keys(self.home)[0]

    def declare(self, model: Model, **changed: Any) -> None:
        tree = model.model_dump(mode="json", exclude={"name"}) | changed
        (self.home.models / f"{NAME}.yaml").write_text(yaml.safe_dump(tree, allow_unicode=True), "utf-8")

    def trust(self, **keys: Key) -> None:
        text = yaml.safe_dump({"trusted_origins": {name: public_key(key) for name, key in keys.items()}})
        (self.home.models / "_installation.yaml").write_text(text, "utf-8")

    def publish(self, rows: pl.DataFrame) -> int:
        numbered = rows.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        return publish_rows(DatasetTable.of(self.home, self.model), numbered, "batch")

    def train(self, candidate: TrainedCandidate, name: str = "first") -> str:
        """Log, judge, register and promote; gives the number of the version."""
        run, model = RunRef("train_weather", name, 1, "ada", "manual"), self.model
        version = DatasetTable.of(self.home, model).version()
        context = TrainingContext(run, version, reason="by hand")
        logged = log_candidate(
            self.registry, replace(candidate, model=model), profile_json='{"rows": 1}', context=context
        )
        assert judge(model, self.home, self.journal, self.registry, logged, run=run, now=NOW).accepted
        by: dict[str, Any] = {"run": run, "journal": self.journal, "now": NOW}
        number = register(self.registry, NAME, logged, **by).version
        promote(self.registry, model, number, reason="passed", **by)
        return number

    def export(self, path: Path, number: str = "1") -> Path:
        version = self.registry.version(NAME, number)
        export_version(self.home, self.registry, self.journal, version, path, key=self.key, by="ada", now=NOW)
        return path

    def take(self, path: Path, **more: Any) -> Imported:
        by: dict[str, Any] = {"by": "grace", "now": NOW, "on_progress": lambda _: None, **more}
        return import_version(path, self.home, self.registry, self.journal, **by)


def make_site(folder: Path, model: Model) -> Site:
    (folder / "models").mkdir(parents=True)
    home = Home(home=folder, models=folder / "models", MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")
    site = Site(home, Registry.of(home), Journal(home.journal_url))
    site.declare(model)
    return site


@pytest.fixture(scope="session")
def _quick() -> Iterator[None]:
    """No plots on model cards, each batch timed once: nobody looks at them here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("almanac.training.export.speed._BUDGET_S", 0.0)
        patch.setattr("almanac.release.model_card._pictures", lambda *_: [])
        yield


@pytest.fixture(scope="session")
def staging(_quick: None, declared, frame, trained, tmp_path_factory) -> Site:  # noqa: F811
    """It has trained `weather@1`, its champion, as if a program had. Nobody changes it."""
    site = make_site(tmp_path_factory.mktemp("staging"), declared.model_copy(update={"name": NAME}))
    site.publish(frame)
    native = tmp_path_factory.mktemp("left") / "weights.bin"
    native.write_bytes(NATIVE)
    left = ProgramFiles(paths={"native/weights.bin": native}, code={"train.py": b"raise SystemExit('never run')"})
    pipeline = Pipeline([("estimator", GraphClassifier(trained.onnx, len(trained.features)))])
    site.train(replace(trained, program=left, pipeline=pipeline))
    return site


@pytest.fixture(scope="session")
def archive(staging: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its export of `weather@1`."""
    return staging.export(tmp_path_factory.mktemp("archives") / "weather-1.tar")


@pytest.fixture
def production(staging: Site, frame, tmp_path: Path) -> Site:  # noqa: F811
    """It declares the same model, has the same rows, trusts staging's key, and has no version yet."""
    site = make_site(tmp_path / "production", staging.model)
    site.trust(staging=staging.key)
    site.publish(frame)
    return site


@pytest.fixture
def emptied(staging: Site, tmp_path: Path) -> Callable[..., Site]:
    """`emptied()`: it trusts staging, and has no row: for what is refused before rows are read."""

    def made(**changed: Any) -> Site:
        site = make_site(tmp_path / "production", staging.model)
        site.declare(staging.model, **changed)
        site.trust(staging=staging.key)
        return site

    return made
