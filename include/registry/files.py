"""The files of a candidate's MLflow run, and the hashes that prove them."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from include.errors import IntegrityError

ONNX = "model/model.onnx"
MLMODEL = "model/MLmodel"
PIPELINE = "pipeline/pipeline.skops"
BACKTEST = "backtest.parquet"
PROFILE = "profile.json"
PASSPORT = "passport.json"
PARITY = "parity.json"
CONFIG = "model.yaml"
MANIFEST = "manifest.json"
DECISION = "decision.json"
CARD = "model_card.html"


def sha256(content: bytes) -> str:
    """The hash in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def verified(content: bytes, expected: str, where: str) -> bytes:
    """Give the bytes back if their hash is the recorded one.

    Raises:
        IntegrityError: it is another.
    """
    got = sha256(content)
    if got != expected:
        raise IntegrityError(
            f"{where}: the bytes are not what was recorded; got SHA-256 {got}, expected {expected}. "
            "Do not serve it: restore the version from its backup"
        )
    return content


def write_manifest(folder: Path) -> str:
    """Write `manifest.json` with size and hash of every file below the folder; gives the manifest's own hash."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    entries = {
        path.relative_to(folder).as_posix(): {"sha256": sha256(path.read_bytes()), "size_bytes": path.stat().st_size}
        for path in found
    }
    content = json.dumps(entries, indent=1, sort_keys=True).encode()
    (folder / MANIFEST).write_bytes(content)
    return sha256(content)


def read_manifest(content: bytes) -> dict[str, str]:
    """The hash of each file by its path."""
    return {path: str(entry["sha256"]) for path, entry in json.loads(content).items()}


def download(client: Any, mlflow_run_id: str, path: str) -> bytes:
    """The bytes of one artifact; `client` is an `MlflowClient`."""
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        return Path(client.download_artifacts(mlflow_run_id, path, folder)).read_bytes()


def upload(client: Any, mlflow_run_id: str, path: str, content: bytes) -> None:
    """Write one artifact at the top of the run; `client` is an `MlflowClient`."""
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        local = Path(folder) / path
        local.write_bytes(content)
        client.log_artifact(mlflow_run_id, str(local))
