"""MLflow as it was restored with a group: versions, tags and aliases are there, and graphs load from the new root."""

from collections.abc import Mapping
from pathlib import Path

from almanac.backup.store.facts import is_model, model_facts
from almanac.backup.store.manifest import Manifest
from almanac.config.location import sqlite_url
from almanac.errors import IntegrityError


def check_registry(database: Path, manifests: Mapping[str, Manifest]) -> str:
    """Ask a restored MLflow, without a server, for each model version of the group; says so in words.

    Args:
        database: MLflow's, with artifacts that it names by path.
        manifests: the group's members, by any name.

    Raises:
        IntegrityError: it does not hold what was backed up.
    """
    from almanac.registry.store import Registry

    registry = Registry(sqlite_url(database))
    checked = 0
    for manifest in manifests.values():
        if not is_model(manifest):
            continue
        facts = model_facts(manifest)
        model, number = manifest.subject.split("/")[1], facts.version
        version = registry.version(model, number)
        aliases = sorted(alias for alias, of in registry.aliases(model).items() if of == number)
        if version.mlflow_run_id != facts.mlflow_run_id or aliases != facts.aliases:
            raise IntegrityError(
                f"{model}@{number}: MLflow's database and the model's snapshot disagree; got run"
                f" {version.mlflow_run_id} with aliases {aliases}, expected {facts.mlflow_run_id} with"
                f" {facts.aliases}"
            )
        registry.load_onnx(version)
        checked += 1
    return f"MLflow from another root: {checked} versions with their aliases, tags and graphs"
