"""Model versions whose files only MLflow's server can reach: what it has not changed is neither asked for nor read.

The server and its world take half a minute of a core. `make test` backs such versions up where their files lie, by the
scenes of the pages, whose home has the same addresses, and asks for what is missing in `snapshot/test_missing.py`.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from almanac.backup.restore.live import restore_live
from almanac.backup.restore.restore import restore
from almanac.backup.snapshot.writer import WrittenSnapshot
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.data.table.delta_table import read_table
from almanac.errors import IntegrityError, RegistryError, TransientError
from almanac.registry.files import uri_of
from almanac.registry.store import Registry
from tests.backup.repositories import contents, object_path, repository_at
from tests.backup.world import MODEL, ROWS, World, make_world
from tests.servers.mlflow import mlflow_server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Path]]:
    """An installation beside a real MLflow server, and the folder where the server keeps the files."""
    root = tmp_path_factory.mktemp("mlflow")
    with mlflow_server(root, str(root / "files"), {}) as url:
        yield make_world(root, url), root / "files"


@pytest.fixture(scope="module")
def first(
    served: tuple[World, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[BackupRepository, list[WrittenSnapshot]]:
    """A place with a snapshot of each version."""
    repository = repository_at(tmp_path_factory.mktemp("first") / "backups")
    return repository, served[0].backup(repository).model(MODEL)


@pytest.fixture
def repository(first: tuple[BackupRepository, list[WrittenSnapshot]], tmp_path: Path) -> BackupRepository:
    """A copy of it, of the test's own."""
    shutil.copytree(first[0].uri, tmp_path / "backups")
    return BackupRepository(LocalStore(tmp_path / "backups"), first[0].key)


def files_of(world: World, kept: Path, number: str) -> Path:
    run = world.registry.client.get_run(world.registry.version(MODEL, number).mlflow_run_id)
    return kept / run.info.artifact_uri.removeprefix("mlflow-artifacts:/")


@pytest.mark.slow
def test_versions_come_back_byte_for_byte(
    served: tuple[World, Path], first: tuple[BackupRepository, list[WrittenSnapshot]], tmp_path: Path
) -> None:
    repository, taken = first
    assert [one.manifest.facts["version"] for one in taken] == ["1", "2"]
    for one in taken:
        number = str(one.manifest.facts["version"])
        back = restore(repository, one.ref, tmp_path / number)
        assert contents(back.folder / "artifacts") == contents(files_of(*served, number))


@pytest.mark.slow
def test_unchanged_versions_are_not_read_again(served: tuple[World, Path], repository: BackupRepository) -> None:
    again = served[0].backup(repository).model(MODEL)
    assert [(one.written, one.files_read) for one in again] == [(False, 0), (False, 0)]


@pytest.mark.slow
def test_moved_alias_costs_the_record_alone(served: tuple[World, Path], repository: BackupRepository) -> None:
    world, _ = served
    world.registry.client.set_registered_model_alias(MODEL, "shadow", "1")
    again = world.backup(repository).model(MODEL)
    world.registry.client.delete_registered_model_alias(MODEL, "shadow")
    assert [(one.written, one.files_read) for one in again] == [(True, 1), (False, 0)]


@pytest.mark.slow
def test_reread_reads_everything(served: tuple[World, Path], repository: BackupRepository) -> None:
    again = served[0].backup(repository, reread=True).model(MODEL)
    assert [(one.written, one.files_read) for one in again] == [(False, len(one.manifest.files)) for one in again]


@pytest.mark.slow
def test_object_that_the_place_has_lost_is_fetched_again(
    served: tuple[World, Path], first: tuple[BackupRepository, list[WrittenSnapshot]], repository: BackupRepository
) -> None:
    lost = object_path(repository, first[1][1], "artifacts/passport.json")
    lost.unlink()
    again = served[0].backup(repository).model(MODEL)
    assert [one.files_read for one in again] == [0, 1]
    assert lost.exists()


@pytest.mark.slow
def test_version_that_lost_its_graph_is_not_backed_up_as_if_whole(
    served: tuple[World, Path], repository: BackupRepository
) -> None:
    world, kept = served
    before = Catalogue(repository).refs()
    graph = files_of(world, kept, "1") / "model" / "model.onnx"
    aside = graph.rename(graph.with_suffix(".aside"))
    backup = world.backup(repository)
    try:
        taken = backup.model(MODEL)
    finally:
        aside.rename(graph)
    with pytest.raises(RegistryError, match=r"has no file .model/model\.onnx. in .*\. Restore the version"):
        backup.check()
    assert [(one.written, one.manifest.facts["version"]) for one in taken] == [(False, "2")]
    assert Catalogue(repository).refs() == before


@pytest.mark.slow
def test_with_the_server_down_files_are_read_where_they_lie(
    served: tuple[World, Path], repository: BackupRepository, tmp_path: Path
) -> None:
    """As a backup by hand reads them: MLflow's database says `mlflow-artifacts:/...`, and nobody answers there."""
    world, kept = served
    home = world.home.model_copy(update={"artifacts": str(kept), "tracking_uri": f"sqlite:///{kept.parent}/mlflow.db"})
    down = World(home, Registry.of(home), world.model)
    version = down.registry.version(MODEL, "2")
    assert down.registry.load_onnx(version) == world.registry.load_onnx(version)
    again = down.backup(repository).model(MODEL)
    assert [(one.written, one.files_read) for one in again] == [(False, 0), (False, 0)]
    fresh = down.backup(repository_at(tmp_path / "fresh")).model(MODEL)
    assert [one.manifest.content for one in fresh] == [one.manifest.content for one in again]


def test_place_of_a_run_that_leads_out_of_the_files_is_refused() -> None:
    run = SimpleNamespace(info=SimpleNamespace(run_id="ab", artifact_uri="mlflow-artifacts:/../../etc"))
    with pytest.raises(IntegrityError, match="its files are not below /srv"):
        uri_of(run, "sqlite:////mlflow.db", "/srv")
    assert uri_of(run, "http://server", "/srv") == "mlflow-artifacts:/../../etc"  # the server decides


@pytest.mark.slow
def test_restored_through_the_server_once_it_is_up(
    served: tuple[World, Path], repository: BackupRepository, tmp_path: Path
) -> None:
    """Of a group what lies elsewhere comes back although the server is away; the rest when it is up."""
    world, kept = served
    ref = world.backup(repository).everything([MODEL]).ref
    home = Home(home=tmp_path / "home", artifacts="mlflow-artifacts:", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    number = str(world.registry.version(MODEL, "1").version)
    folder = files_of(world, kept, number)
    before = contents(folder)
    aside = folder.rename(folder.with_suffix(".aside"))
    both = files_of(world, kept, "2").rename(tmp_path / "both")
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
            with pytest.raises(TransientError, match="2 of 5 snapshots could not be restored") as caught:
                restore_live(repository, ref, home)
        assert "NOT BACK  model/weather@" in str(caught.value)
        assert read_table(home.dataset_of(MODEL)).height == ROWS[3]
        up = home.model_copy(update={"tracking_uri": world.home.tracking_uri})
        lines = restore_live(repository, ref, up)
        assert sum("is in mlflow-artifacts:/" in line for line in lines) == 2
        assert contents(folder) == before
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(files_of(world, kept, "2"), ignore_errors=True)
        aside.rename(folder)
        both.rename(files_of(world, kept, "2"))
