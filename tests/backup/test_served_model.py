"""Model versions whose files only MLflow's server can reach: what it has not changed is neither asked for nor read."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.backup.catalogue import Catalogue
from include.backup.local_store import LocalStore
from include.backup.place import Place
from include.backup.restore import restore
from include.backup.writer import Taken
from include.errors import RegistryError
from tests.backup.places import contents, object_path, place_at
from tests.backup.world import MODEL, World, make_world
from tests.servers.mlflow import mlflow_server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Path]]:
    """An installation beside a real MLflow server, and the folder where the server keeps the files."""
    root = tmp_path_factory.mktemp("mlflow")
    with mlflow_server(root, str(root / "files"), {}) as url:
        yield make_world(root, url), root / "files"


@pytest.fixture(scope="module")
def first(served: tuple[World, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, list[Taken]]:
    """A place with a snapshot of each version."""
    place = place_at(tmp_path_factory.mktemp("first") / "backups")
    return place, served[0].backup(place).model(MODEL)


@pytest.fixture
def place(first: tuple[Place, list[Taken]], tmp_path: Path) -> Place:
    """A copy of it, of the test's own."""
    shutil.copytree(first[0].uri, tmp_path / "backups")
    return Place(LocalStore(tmp_path / "backups"), first[0].key)


def files_of(world: World, kept: Path, number: str) -> Path:
    run = world.registry.client.get_run(world.registry.version(MODEL, number).mlflow_run_id)
    return kept / run.info.artifact_uri.removeprefix("mlflow-artifacts:/")


def test_versions_come_back_byte_for_byte(
    served: tuple[World, Path], first: tuple[Place, list[Taken]], tmp_path: Path
) -> None:
    place, taken = first
    assert [one.manifest.facts["version"] for one in taken] == ["1", "2"]
    for one in taken:
        number = str(one.manifest.facts["version"])
        back = restore(place, one.ref, tmp_path / number)
        assert contents(back.folder / "artifacts") == contents(files_of(*served, number))


def test_unchanged_versions_are_not_read_again(served: tuple[World, Path], place: Place) -> None:
    again = served[0].backup(place).model(MODEL)
    assert [(one.written, one.files_read) for one in again] == [(False, 0), (False, 0)]


def test_moved_alias_costs_the_record_alone(served: tuple[World, Path], place: Place) -> None:
    world, _ = served
    world.registry.client.set_registered_model_alias(MODEL, "shadow", "1")
    again = world.backup(place).model(MODEL)
    world.registry.client.delete_registered_model_alias(MODEL, "shadow")
    assert [(one.written, one.files_read) for one in again] == [(True, 1), (False, 0)]


def test_reread_reads_everything(served: tuple[World, Path], place: Place) -> None:
    again = served[0].backup(place, reread=True).model(MODEL)
    assert [(one.written, one.files_read) for one in again] == [(False, len(one.manifest.files)) for one in again]


def test_object_that_the_place_has_lost_is_fetched_again(
    served: tuple[World, Path], first: tuple[Place, list[Taken]], place: Place
) -> None:
    lost = object_path(place, first[1][1], "artifacts/passport.json")
    lost.unlink()
    again = served[0].backup(place).model(MODEL)
    assert [one.files_read for one in again] == [0, 1]
    assert lost.exists()


def test_version_that_lost_its_graph_is_not_backed_up_as_if_whole(served: tuple[World, Path], place: Place) -> None:
    world, kept = served
    before = Catalogue(place).refs()
    graph = files_of(world, kept, "1") / "model" / "model.onnx"
    aside = graph.rename(graph.with_suffix(".aside"))
    try:
        with pytest.raises(RegistryError, match=r"has no file .model/model\.onnx. in .* It is lost"):
            world.backup(place).model(MODEL)
    finally:
        aside.rename(graph)
    assert Catalogue(place).refs() == before
