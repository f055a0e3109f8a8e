"""A whole installation is one group, and comes back where nothing is left of it; never over what is there."""

import shutil
from pathlib import Path

import pytest

from almanac.backup.drill.registered import check_registry
from almanac.backup.restore.live import members, restore_live
from almanac.backup.restore.one_home import as_one_home
from almanac.backup.restore.restore import restore
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.facts import folder_of
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.data.table.delta_table import read_table
from almanac.errors import ConfigError, IntegrityError
from almanac.registry.store import Registry
from tests.backup.repositories import contents
from tests.backup.world import MODEL, ROWS, World


def other_home(folder: Path) -> Home:
    return Home(home=folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")


def test_everything_is_one_group_with_databases_first(world: World, repository: BackupRepository) -> None:
    taken = world.backup(repository).everything([MODEL])
    subjects = [member.subject for member in taken.manifest.members]
    assert subjects == [
        "database/mlflow",
        "model/weather",
        "model/weather",
        "database/journal",
        "dataset/weather",
        "outputs/weather",
    ]


def test_group_mlflow_opens_from_another_root(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    taken = world.backup(repository).everything([MODEL])
    folders, manifests = {}, {}
    for ref in members(repository, taken.ref):
        manifest = Catalogue(repository).read(ref)
        name = folder_of(manifest)
        folders[name], manifests[name] = restore(repository, ref, tmp_path / "other" / name).folder, manifest
    database = as_one_home(folders, manifests, tmp_path / "other")
    assert database is not None
    assert "2 versions with their aliases" in check_registry(database, manifests)


def test_group_live_brings_back_an_installation_of_which_nothing_is_left(
    world: World, repository: BackupRepository, tmp_path: Path
) -> None:
    """Into a home at another path: MLflow's columns follow. Neither Airflow, nor MLflow, nor the journal is there."""
    taken = world.backup(repository).everything([MODEL])
    home = other_home(tmp_path / "reborn")
    restore_live(repository, taken.ref, home)
    registry = Registry.of(home)
    champion = registry.champion(MODEL)
    assert champion is not None
    assert champion.version == "2"
    assert registry.load_onnx(champion) == world.registry.load_onnx(champion)
    assert registry.client.get_run(champion.mlflow_run_id).info.artifact_uri.startswith(f"{home.home}/mlartifacts")
    assert read_table(home.dataset_of(MODEL)).height == ROWS[3]
    assert read_table(home.predictions_of(MODEL)).height == 2
    assert Path(home.quarantined_files_of(MODEL), "one.txt").read_text() == "bad,file"
    assert list((home.home / "scratch").iterdir()) == []


def test_live_never_writes_over_what_is_there(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    world.backup(repository).dataset(MODEL)
    ref = Catalogue(repository).find(f"dataset/{MODEL}")
    before = contents(Path(world.home.dataset_of(MODEL)))
    with pytest.raises(ConfigError, match=r"already exists\. Give --replace"):
        restore_live(repository, ref, world.home)
    assert contents(Path(world.home.dataset_of(MODEL))) == before


def test_live_replace_moves_what_is_there_aside(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    world.backup(repository).dataset(MODEL)
    ref = Catalogue(repository).find(f"dataset/{MODEL}")
    home = other_home(tmp_path / "other")
    Path(home.dataset_of(MODEL)).mkdir(parents=True)
    Path(home.dataset_of(MODEL), "old").write_text("old")
    restore_live(repository, ref, home, replace=True)
    assert read_table(home.dataset_of(MODEL)).height == ROWS[3]
    (aside,) = Path(home.datasets).glob("weather.before-*")
    assert (aside / "old").read_text() == "old"


def test_live_group_with_one_place_in_use_touches_nothing(
    world: World, repository: BackupRepository, tmp_path: Path
) -> None:
    taken = world.backup(repository).everything([MODEL])
    home = other_home(tmp_path / "other")
    Path(home.predictions_of(MODEL)).mkdir(parents=True)
    Path(home.predictions_of(MODEL), "old").write_text("old")
    with pytest.raises(ConfigError, match="already exists"):
        restore_live(repository, taken.ref, home)
    assert not Path(home.dataset_of(MODEL)).exists()


def test_live_hostile_place_of_artifacts_is_refused(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    (taken,) = world.backup(repository).model(MODEL, only="2")
    facts = {**taken.manifest.facts, "artifact_path": "../../../etc"}
    ref: Ref = Catalogue(repository).add(taken.manifest.model_copy(update={"facts": facts}))
    with pytest.raises(IntegrityError, match=r"artifact_path.*not a plain relative path"):
        restore_live(repository, ref, other_home(tmp_path / "other"))
    shutil.rmtree(tmp_path / "other", ignore_errors=True)
