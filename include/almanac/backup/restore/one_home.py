"""Lays a restored MLflow out below one root, so that it opens there."""

from collections.abc import Mapping
from pathlib import Path

from almanac.backup.store.facts import database_facts, inside, is_model, model_facts
from almanac.backup.store.manifest import Manifest
from almanac.backup.subjects.sqlite import move_artifacts
from almanac.errors import IntegrityError
from almanac.registry.served_artifacts import SERVED


def as_one_home(folders: Mapping[str, Path], manifests: Mapping[str, Manifest], root: Path) -> Path | None:
    """Lay MLflow's restored database and artifacts out below one root, and let the database name it.

    Args:
        folders: where each member of a group was restored, by `folder_of`.
        manifests: theirs.
        root: the new root; must be on the same disk.

    Returns:
        The database; None when the group has none that can be opened as a file.

    Raises:
        IntegrityError: a manifest says nothing that can be used, or a version has no artifacts.
    """
    database = folders.get("database/mlflow")
    if database is None or not (database / "mlflow.db").is_file():
        return None
    path, artifacts = database / "mlflow.db", root / "mlartifacts"
    for name, manifest in manifests.items():
        if is_model(manifest) and (place := model_facts(manifest).artifact_path):
            target = inside(artifacts, place)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                (folders[name] / "artifacts").rename(target)
            except OSError as error:
                raise IntegrityError(f"{manifest.subject}: its artifacts cannot be laid out: {error}") from error
    old = database_facts(manifests["database/mlflow"]).artifact_root or SERVED
    move_artifacts(path, old, str(artifacts))
    return path
