"""A model version: its MLflow run and registration as JSON, and every artifact byte for byte.

Nothing is dumped again: skops and keras files differ on resaving.

A version that was backed up before costs a handful of questions, however much it holds: a run that ended gets no other
metrics, and its files are written once. A run, a path and a size name a file; who trusts nothing reads all of it again.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.backup.snapshot.sources import SourceFile, below, from_maker, from_path
from almanac.backup.snapshot.writer import Draft
from almanac.backup.store.codec import read_pieces
from almanac.backup.store.manifest import Fact
from almanac.config.files.loader import card_of
from almanac.config.home import Home
from almanac.registry.errors import mlflow_errors
from almanac.registry.files import ONNX, Artifacts
from almanac.registry.records import ModelVersion
from almanac.storage.files import local_path
from almanac.training.environment import package_versions

if TYPE_CHECKING:
    from almanac.registry.store import Registry

ARTIFACTS, RUN, CHECK, CARD = "artifacts/", "mlflow.json", "check.json", "model.md"
_ROWS, _SEED = 64, 20260101


@contextmanager
def model_draft(home: Home, registry: "Registry", version: ModelVersion) -> Iterator[Draft]:
    """One version with everything that its rebuilding needs.

    Args:
        home: holds the model's card.
        registry: holds the version.
        version: which.

    Raises:
        RegistryError: MLflow does not hold it.
        IntegrityError: its graph is not what was registered.
        TransientError: MLflow is away.
    """
    where = f"{version.model}@{version.version}: export"
    with tempfile.TemporaryDirectory(prefix="almanac-backup-") as folder, mlflow_errors(where):
        run = registry.client.get_run(version.mlflow_run_id)
        seen = _snapshot_of(registry.client, version, run)
        artifacts = _artifacts(registry, run, Path(folder))
        there = [[file.path, file.size, file.stamp] for file in artifacts]
        made = [
            from_maker(RUN, partial(_record, registry.client, seen), _stamp(seen)),
            from_maker(CHECK, partial(_check, registry, version), _stamp([version.onnx_sha256, there])),
        ]
        card = card_of(home.models, version.model)
        if card.is_file():
            made.append(from_path(CARD, card))
        files = sorted([*artifacts, *made], key=lambda file: file.path)
        yield Draft(f"model/{version.model}", files, _facts(version, seen), package_versions())


def _facts(version: ModelVersion, seen: dict[str, Any]) -> dict[str, Fact]:
    run = seen["run"]
    return {
        "version": version.version,
        "version_id": f"{version.created_at:%Y%m%dT%H%M%SZ}-v{version.version}" if version.created_at else "",
        "mlflow_run_id": version.mlflow_run_id,
        "experiment": run["experiment"],
        "aliases": sorted(seen["version"]["aliases"]),
        "dataset_version": version.dataset_version,
        **({} if version.dataset_owner == version.model else {"dataset_of": version.dataset_owner}),
        "onnx_sha256": version.onnx_sha256,
        "git_commit": run["tags"].get("almanac.git_commit", ""),
        "artifact_path": run["artifact_uri"].partition("mlflow-artifacts:/")[2]
        or run["artifact_uri"].partition("/mlartifacts/")[2],
    }


def _stamp(seen: object) -> str:
    return hashlib.sha256(_json(seen)).hexdigest()


def _artifacts(registry: "Registry", run: Any, folder: Path) -> list[SourceFile]:
    """The files of the run; those that MLflow's server has written come by way of a folder, when they are read."""
    local = _local_artifacts(run.info.artifact_uri)
    if local is not None:
        return below(str(local), ARTIFACTS)
    kept = registry.artifacts(run)
    return [
        SourceFile(f"{ARTIFACTS}{path}", partial(_fetched, kept, path, folder), size, kept.run_id)
        for path, size in kept.sizes().items()
    ]


def _fetched(kept: Artifacts, path: str, folder: Path) -> Iterator[bytes]:
    with mlflow_errors(f"MLflow run {kept.run_id}: {path}"):
        yield from read_pieces(kept.fetch(path, folder).open("rb", buffering=0))


def _snapshot_of(client: Any, version: ModelVersion, run: Any) -> dict[str, Any]:
    """What MLflow tells of run, version and name at once, as plain JSON: of each metric the last value."""
    found = client.get_model_version(version.model, version.version)
    name = client.get_registered_model(version.model)
    return {
        "run": {
            "run_id": run.info.run_id,
            "run_name": run.info.run_name,
            "experiment": client.get_experiment(run.info.experiment_id).name,
            "status": run.info.status,
            "start_time": run.info.start_time,
            "end_time": run.info.end_time,
            "artifact_uri": run.info.artifact_uri,
            "params": dict(run.data.params),
            "tags": dict(run.data.tags),
            "metrics": {one.key: [one.value, one.timestamp, one.step] for one in run.to_proto().data.metrics},
        },
        "version": {
            "version": str(found.version),
            "source": found.source,
            "description": found.description or "",
            "tags": dict(found.tags),
            "aliases": [str(alias) for alias, number in name.aliases.items() if str(number) == version.version],
            "creation_timestamp": found.creation_timestamp,
        },
        "model": {"name": version.model, "description": name.description or "", "tags": dict(name.tags)},
    }


def _record(client: Any, seen: dict[str, Any]) -> bytes:
    """What was seen, with the whole history of each metric that goes in steps: a question each."""
    run = seen["run"]

    def history(name: str) -> list[list[float]]:
        return [[one.value, one.timestamp, one.step] for one in client.get_metric_history(run["run_id"], name)]

    with mlflow_errors(f"MLflow run {run['run_id']}: metrics"):
        metrics = {name: history(name) if last[2] else [last] for name, last in run["metrics"].items()}
    return _json({**seen, "run": {**run, "metrics": metrics}})


def _check(registry: "Registry", version: ModelVersion) -> bytes:
    """Inputs, and what the graph says of them now: a drill asks the restored graph the same."""
    import numpy as np

    from almanac.registry.onnx_model import OnnxModel

    graph = OnnxModel(registry.load_onnx(version))
    draw = np.random.default_rng(_SEED)
    scales = draw.choice([0.5, 5.0, 50.0, 1000.0], size=(_ROWS, 1))
    inputs = (draw.standard_normal((_ROWS, len(graph.features))) * scales).astype(np.float32)
    return _json({"inputs": inputs.tolist(), "probabilities": graph.predict(inputs).tolist()})


def _local_artifacts(uri: str) -> Path | None:
    path = local_path(uri)
    return path if path.is_absolute() and path.is_dir() else None


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False).encode()


def onnx_path() -> str:
    """Where the graph lies in a snapshot."""
    return f"{ARTIFACTS}{ONNX}"
