"""Runs of MLflow that no version came of go with their files; what a version or a snapshot names stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow.entities import ViewType

from almanac.backup.snapshot.sources import from_maker
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.manifest import Fact
from almanac.backup.store.repository import BackupRepository
from almanac.cleanup.model_runs import ModelRuns
from almanac.config.home import Home
from almanac.errors import IntegrityError
from almanac.registry.records import Tag
from almanac.registry.store import Registry
from tests.backup.repositories import MAKER, repository_at
from tests.servers.mlflow import mlflow_server

NOW = datetime.now(UTC)
AGE = timedelta(days=180)
OLD = NOW - AGE - timedelta(days=1)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackupRepository:
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("almanac.storage.disk.sync_disk", lambda _: None)
    return repository_at(tmp_path / "backups")


@pytest.fixture
def runs(registry: Registry, model, repository: BackupRepository, tmp_path: Path) -> ModelRuns:
    """With MLflow's database at hand, as where backups are taken."""
    path = registry.tracking_uri.removeprefix("sqlite:///")
    home = Home(home=tmp_path, mlflow_database_url=f"sqlite:///{path}")
    return ModelRuns(home, [model.name], registry, repository, AGE, NOW)


def add(registry: Registry, name: str, ended: datetime | None = OLD, **tags: str) -> str:
    """A run with one file, that began before it ended; None: it never did."""
    made = tags or {Tag.MODEL.value: name}
    began = int((OLD - timedelta(hours=1)).timestamp() * 1000)
    run = registry.client.create_run(registry.experiment(name), start_time=began, tags=made, run_name="a run")
    registry.client.log_text(run.info.run_id, "graph", "model.onnx")
    registry.client.log_metric(run.info.run_id, "f1", 0.5)
    if ended is not None:
        registry.client.set_terminated(run.info.run_id, end_time=int(ended.timestamp() * 1000))
    return str(run.info.run_id)


def register(registry: Registry, name: str, run_id: str) -> None:
    registry.client.create_registered_model(name)
    tags = {Tag.DATASET_VERSION.value: "0"}
    registry.client.create_model_version(name, f"runs:/{run_id}/model", run_id, tags=tags)


def left(registry: Registry, name: str) -> set[str]:
    experiment = registry.experiment(name)
    return {one.info.run_id for one in registry.client.search_runs([experiment], run_view_type=ViewType.ALL)}


def clean(runs: ModelRuns) -> None:
    plan = runs.plan()
    runs.delete(plan)
    assert runs.plan().going == ()


def test_old_run_of_a_refused_candidate_goes_with_its_files_and_rows(registry, model, runs) -> None:
    run_id = add(registry, model.name)
    folder = Path(registry.client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    assert (folder / "model.onnx").exists()
    plan = runs.plan()
    assert [(item.name, item.size_bytes) for item in plan.going] == [(f"a run ({run_id})", len("graph"))]
    runs.delete(plan)
    assert not folder.exists()
    assert left(registry, model.name) == set()


def test_young_run_stays(registry, model, runs) -> None:
    young = add(registry, model.name, NOW - timedelta(days=1))
    clean(runs)
    assert left(registry, model.name) == {young}


def test_run_that_died_goes_by_when_it_began(registry, model, runs) -> None:
    add(registry, model.name, None)
    clean(runs)
    assert left(registry, model.name) == set()


def test_run_of_a_registered_version_stays_however_old(registry, model, runs) -> None:
    run_id = add(registry, model.name)
    register(registry, model.name, run_id)
    (item,) = runs.plan().items
    assert item.needs == (f"{model.name}@1 is registered",)
    clean(runs)
    assert registry.client.get_run(run_id).info.lifecycle_stage == "active"
    assert registry.client.list_artifacts(run_id)


def test_run_that_was_registered_after_the_plan_was_made_stays(registry, model, runs) -> None:
    run_id = add(registry, model.name)
    plan = runs.plan()
    register(registry, model.name, run_id)
    runs.delete(plan)
    assert registry.client.list_artifacts(run_id)


def test_run_that_a_snapshot_names_stays(registry, model, runs, repository) -> None:
    """Its version may have been removed from the registry; a restore puts it back."""
    run_id = add(registry, model.name)
    facts: dict[str, Fact] = {"version": "1", "mlflow_run_id": run_id}
    draft = Draft(f"model/{model.name}", [from_maker("a", lambda: b"a", "")], facts)
    take(repository, draft, maker=MAKER, clock=lambda: NOW)
    assert [item.needs for item in runs.plan().items] == [("a snapshot names it",)]
    clean(runs)
    assert registry.client.list_artifacts(run_id)
    (manifest,) = Path(repository.uri, "manifests", "model", model.name).iterdir()
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match="damaged"):
        runs.plan()


def test_trial_goes_and_a_run_of_another_program_stays(registry, model, runs) -> None:
    add(registry, model.name, **{"mlflow.parentRunId": "f" * 32})
    strange = add(registry, model.name, who="a notebook")
    clean(runs)
    assert left(registry, model.name) == {strange}


def test_deletion_that_was_cut_off_is_gone_on_with(registry, model, runs) -> None:
    run_id = add(registry, model.name)
    registry.client.delete_run(run_id)
    clean(runs)
    assert left(registry, model.name) == set()


@pytest.mark.slow
def test_files_behind_the_server_go_too(tmp_path: Path, model, repository) -> None:
    """As in production: only MLflow's server reaches its files, and its database is elsewhere."""
    with mlflow_server(tmp_path, str(tmp_path / "artifacts"), {}) as url:
        served = Registry(url)
        gone, kept = add(served, model.name), add(served, model.name)
        register(served, model.name, kept)
        home = Home(home=tmp_path / "home")
        clean(ModelRuns(home, [model.name], served, repository, AGE, NOW))
        assert len(list((tmp_path / "artifacts").rglob("model.onnx"))) == 1
        assert served.client.get_run(gone).info.lifecycle_stage == "deleted"
        assert served.client.list_artifacts(kept)
