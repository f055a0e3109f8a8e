"""A model version: its MLflow run and registration as JSON, and every artifact byte for byte.

Nothing is dumped again: skops and keras files differ on resaving.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.backup.manifest import Fact
from include.backup.sources import SourceFile, below, from_bytes
from include.backup.writer import Draft
from include.config.home import Home
from include.config.loader import card_of
from include.registry import files
from include.registry.faults import mlflow_faults
from include.registry.passport import package_versions
from include.registry.records import ModelVersion

if TYPE_CHECKING:
    from include.registry.store import Registry

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
    with tempfile.TemporaryDirectory(prefix="almanac-backup-") as folder, mlflow_faults(f"{version.model}: export"):
        client = registry.client
        record = _record(client, version)
        local = _local_artifacts(record["run"]["artifact_uri"])
        if local is None:
            client.download_artifacts(version.mlflow_run_id, "", folder)
        artifacts = below(str(local or folder), ARTIFACTS)
        made = [from_bytes(RUN, _json(record)), from_bytes(CHECK, _json(_check(registry.load_onnx(version))))]
        card = card_of(home.models, version.model)
        if card.is_file():
            made.append(from_bytes(CARD, card.read_bytes()))
        yield Draft(f"model/{version.model}", _sorted([*artifacts, *made]), _facts(version, record), package_versions())


def _sorted(found: Sequence[SourceFile]) -> list[SourceFile]:
    return sorted(found, key=lambda file: file.path)


def _facts(version: ModelVersion, record: dict[str, Any]) -> dict[str, Fact]:
    run = record["run"]
    return {
        "version": version.version,
        "version_id": f"{version.created_at:%Y%m%dT%H%M%SZ}-v{version.version}" if version.created_at else "",
        "mlflow_run_id": version.mlflow_run_id,
        "experiment": run["experiment"],
        "aliases": sorted(record["version"]["aliases"]),
        "dataset_version": version.dataset_version,
        "onnx_sha256": version.onnx_sha256,
        "git_commit": run["tags"].get("almanac.git_commit", ""),
        "artifact_path": run["artifact_uri"].partition("mlflow-artifacts:/")[2]
        or run["artifact_uri"].partition("/mlartifacts/")[2],
    }


def _record(client: Any, version: ModelVersion) -> dict[str, Any]:
    """Everything that MLflow knows of run, version and name, as plain JSON."""
    run = client.get_run(version.mlflow_run_id)
    found = client.get_model_version(version.model, version.version)
    name = client.get_registered_model(version.model)
    metrics = {
        key: [[one.value, one.timestamp, one.step] for one in client.get_metric_history(version.mlflow_run_id, key)]
        for key in sorted(run.data.metrics)
    }
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
            "metrics": metrics,
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


def _check(onnx: bytes) -> dict[str, Any]:
    """Inputs, and what the graph says of them now: a drill asks the restored graph the same."""
    import numpy as np

    from include.registry.onnx_model import OnnxModel

    graph = OnnxModel(onnx)
    draw = np.random.default_rng(_SEED)
    scales = draw.choice([0.5, 5.0, 50.0, 1000.0], size=(_ROWS, 1))
    inputs = (draw.standard_normal((_ROWS, len(graph.features))) * scales).astype(np.float32)
    return {"inputs": inputs.tolist(), "probabilities": graph.answers(inputs).tolist()}


def _local_artifacts(uri: str) -> Path | None:
    path = Path(uri.removeprefix("file://"))
    return path if path.is_absolute() and path.is_dir() else None


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False).encode()


def onnx_path() -> str:
    """Where the graph lies in a snapshot."""
    return f"{ARTIFACTS}{files.ONNX}"
