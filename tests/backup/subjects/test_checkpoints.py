"""Checkpoints of a training are a subject of their own: backed up as they are written, drilled, put back."""

from pathlib import Path

import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from almanac.backup.drill.functional import use
from almanac.backup.restore.live import restore_live
from almanac.backup.restore.restore import restore
from almanac.backup.snapshot.backup import BackupRun
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tasks.run_backup import back_up_checkpoints
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.sections.learning import Learning
from almanac.errors import IntegrityError
from almanac.journal.records import RunRef
from almanac.training.fit.checkpoints import CheckpointFolder, read_all
from almanac.training.fit.learning import fit_by_epochs
from tests.backup.repositories import MAKER, repository_at
from tests.training.fit.test_checkpoints import MEASURING, TEACHING

RUN = RunRef("train_weather", "manual__1", 1, "ada", "manual")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which a training has written checkpoints."""
    home = Home(home=tmp_path / "home", models=MODELS_FOLDER)
    folder = CheckpointFolder(Path(home.checkpoints_of("weather")) / "manual__1", every=2, keep=2)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(4, random_state=1))
    fit_by_epochs(
        pipeline, Learning.model_validate({"epochs": 4, "checkpoints": {"every": 2}}), TEACHING, MEASURING, folder
    )
    return home


def taken(home: Home, repository: BackupRepository):
    (one,) = BackupRun(home, repository, MAKER, registry=None).subject("checkpoints/weather")  # type: ignore[arg-type]
    return one


def test_checkpoints_are_backed_up_and_used_from_there(
    home: Home, repository: BackupRepository, tmp_path: Path
) -> None:
    one = taken(home, repository)
    assert any(entry.path.endswith("losses.jsonl") for entry in one.manifest.files)
    back = restore(repository, one.ref, tmp_path / "back")
    (text,) = use(back.folder, one.manifest)
    assert text.endswith("checkpoints load, of trusted types only: MLPClassifier")


def test_checkpoint_swapped_on_disk_before_the_backup_fails_the_drill(
    home: Home, repository: BackupRepository, tmp_path: Path
) -> None:
    last = read_all(Path(home.checkpoints_of("weather")) / "manual__1")[-1]
    last.path.write_bytes(b"PK\x03\x04 something else")
    one = taken(home, repository)
    with pytest.raises(IntegrityError, match="the bytes are not what was recorded"):
        use(restore(repository, one.ref, tmp_path / "back").folder, one.manifest)


def test_checkpoints_come_back_live(home: Home, repository: BackupRepository, tmp_path: Path) -> None:
    one = taken(home, repository)
    other = Home(home=tmp_path / "other")
    restore_live(repository, one.ref, other)
    assert len(read_all(Path(other.checkpoints_of("weather")) / "manual__1")) >= 2


def test_back_up_checkpoints_takes_one_and_survives_a_place_that_is_away(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    back_up_checkpoints(home, "weather", run=RUN, given_key="")
    repository = repository_at(Path(home.backups))
    assert len(Catalogue(repository).refs("checkpoints/weather")) == 1
    monkeypatch.setenv("ALMANAC_BACKUP_KEY", "no key")
    back_up_checkpoints(home, "weather", run=RUN, given_key="")
    assert "on this disk only" in caplog.text
