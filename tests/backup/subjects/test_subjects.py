"""Datasets, outputs and model versions come back from the place alone, and do what they did."""

import json
from pathlib import Path

import polars as pl
import pytest

from almanac.backup.drill.functional import use
from almanac.backup.restore.restore import restore
from almanac.backup.store.repository import BackupRepository
from almanac.backup.subjects.delta import delta_files
from almanac.config.home import Home
from almanac.data.table.delta_table import read_table
from almanac.errors import DataError, IntegrityError
from almanac.registry.records import ModelVersion
from tests.backup.repositories import contents, restored
from tests.backup.world import MAKER, MODEL, ROWS, World, write_dataset


def other_home(folder: Path) -> Home:
    return Home(home=folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")


def test_dataset_opens_at_every_version_that_a_model_needs(
    world: World, repository: BackupRepository, tmp_path: Path
) -> None:
    taken = world.backup(repository).dataset(MODEL)
    assert taken is not None
    assert taken.manifest.facts["readable_versions"] == [1, 2, 3]
    back = restored(repository, f"dataset/{MODEL}", tmp_path / "back")
    for version in (1, 2, 3):
        rows = read_table(str(back.folder), version=version)
        assert rows.height == ROWS[version]
        assert rows.sort("_month", "hour").equals(
            read_table(world.home.dataset_of(MODEL), version=version).sort("_month", "hour")
        )
    assert "version 3 with 60 rows" in use(back.folder, back.manifest)[0]


def test_dataset_at_an_older_version_opens_there(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    table = delta_files(world.home.dataset_of(MODEL), version=1)
    assert table is not None
    assert table.facts["rows"] == {"1": 48}
    assert not [file.path for file in table.files if file.path.endswith("3.json")]


def test_dataset_second_snapshot_reads_new_files_only(
    tmp_path: Path, world: World, repository: BackupRepository
) -> None:
    home = other_home(tmp_path / "other")
    write_dataset(home.dataset_of(MODEL))
    _age(Path(home.dataset_of(MODEL)))
    backup = world.backup(repository)
    backup = type(backup)(home, repository, MAKER, world.registry)
    assert backup.dataset(MODEL).files_read > 0
    pl.DataFrame({"hour": [1], "value": [2.0], "_month": ["2026-04"]}).write_delta(
        home.dataset_of(MODEL), mode="append"
    )
    assert backup.dataset(MODEL).files_read == 2  # one part, one commit


def _age(folder: Path) -> None:
    import os

    for path in folder.rglob("*"):
        os.utime(path, (1e9, 1e9))


def test_dataset_with_lost_files_is_not_backed_up_as_if_whole(
    tmp_path: Path, world: World, repository: BackupRepository
) -> None:
    home = other_home(tmp_path / "other")
    write_dataset(home.dataset_of(MODEL))
    next(Path(home.dataset_of(MODEL)).glob("_month=2026-01/*.parquet")).unlink()
    with pytest.raises(DataError, match=r"1 files of versions .* are missing"):
        type(world.backup(repository))(home, repository, MAKER, world.registry).dataset(MODEL)


def test_dataset_restored_with_other_rows_is_refused(
    world: World, repository: BackupRepository, tmp_path: Path
) -> None:
    world.backup(repository).dataset(MODEL)
    back = restored(repository, f"dataset/{MODEL}", tmp_path / "back")
    pl.DataFrame({"hour": [1], "value": [2.0], "_month": ["2026-04"]}).write_delta(str(back.folder), mode="append")
    with pytest.raises(IntegrityError, match="opens at version 4, expected 3"):
        use(back.folder, back.manifest)


def test_outputs_come_back(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    world.backup(repository).outputs(MODEL)
    back = restored(repository, f"outputs/{MODEL}", tmp_path / "back")
    assert read_table(str(back.folder / "predictions")).height == 2
    assert (back.folder / "quarantine/files/one.txt").read_text() == "bad,file"
    assert (back.folder / "reports/one.txt").read_text() == "<html>"
    assert len(use(back.folder, back.manifest)) == 3


def metrics_of(world: World, version: ModelVersion) -> dict[str, float]:
    found: dict[str, float] = world.registry.client.get_run(version.mlflow_run_id).data.metrics
    assert found
    return found


def test_model_record_has_every_step_of_a_metric(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    (taken,) = world.backup(repository).model(MODEL, only="2")
    record = json.loads((restore(repository, taken.ref, tmp_path / "back").folder / "mlflow.json").read_bytes())
    assert [(value, step) for value, _, step in record["run"]["metrics"]["loss"]] == [(0.9, 0), (0.5, 1), (0.4, 2)]


def test_model_versions_come_back_byte_for_byte(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    taken = world.backup(repository).model(MODEL)
    assert [one.manifest.facts["version"] for one in taken] == ["1", "2"]
    assert [one.manifest.facts["aliases"] for one in taken] == [["previous"], ["champion"]]
    back = restore(repository, taken[1].ref, tmp_path / "back")
    version = world.registry.version(MODEL, "2")
    original = Path(world.registry.client.get_run(version.mlflow_run_id).info.artifact_uri)
    assert contents(back.folder / "artifacts") == contents(original)
    record = json.loads((back.folder / "mlflow.json").read_bytes())
    assert record["version"]["tags"] == dict(version.tags)
    assert {name: points[-1][0] for name, points in record["run"]["metrics"].items()} == metrics_of(world, version)
    lines = use(back.folder, back.manifest)
    assert "64 stored inputs predicted again, difference 0" in lines[0]
    assert any("pipeline loads" in line for line in lines)


def test_model_unchanged_is_not_taken_twice_and_a_moved_alias_is(world: World, repository: BackupRepository) -> None:
    world.backup(repository).model(MODEL)
    assert [one.written for one in world.backup(repository).model(MODEL)] == [False, False]
    world.registry.client.set_registered_model_alias(MODEL, "shadow", "1")
    again = world.backup(repository).model(MODEL)
    world.registry.client.delete_registered_model_alias(MODEL, "shadow")
    assert [one.written for one in again] == [True, False]
    assert again[0].bytes_stored < 50_000  # the artifacts are there already


def test_model_that_predicts_otherwise_is_refused(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    (taken,) = world.backup(repository).model(MODEL, only="2")
    back = restore(repository, taken.ref, tmp_path / "back")
    check = json.loads((back.folder / "check.json").read_bytes())
    check["probabilities"][0] += 0.01
    (back.folder / "check.json").write_text(json.dumps(check))
    with pytest.raises(IntegrityError, match=r"predictions differ.*0\.01"):
        use(back.folder, back.manifest)


def test_model_with_code_is_loaded_only_when_trusted(
    world: World, repository: BackupRepository, tmp_path: Path
) -> None:
    import pickle

    (taken,) = world.backup(repository).model(MODEL, only="2")
    back = restore(repository, taken.ref, tmp_path / "back")
    (back.folder / "artifacts" / "evil.pkl").write_bytes(pickle.dumps(_Evil(str(tmp_path / "ran"))))
    assert "evil.pkl: not loaded, it can run code; --trust loads it" in use(back.folder, back.manifest)
    assert not (tmp_path / "ran").exists()
    assert "evil.pkl: loaded, because --trust is given" in use(back.folder, back.manifest, trust=True)
    assert (tmp_path / "ran").exists()


class _Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (self.path,)
