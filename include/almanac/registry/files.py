"""The files of a candidate's MLflow run, and their hashes."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from almanac.errors import IntegrityError, RegistryError
from almanac.registry.served_artifacts import SERVED, is_served
from almanac.registry.strict_json import read_json

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
    """Return the bytes if their hash is the recorded one.

    Raises:
        IntegrityError: it is not.
    """
    got = sha256(content)
    if got != expected:
        raise IntegrityError(
            f"{where}: the bytes are not what was recorded; got SHA-256 {got}, expected {expected}. "
            "Do not serve it: restore the version from its backup"
        )
    return content


def write_manifest(folder: Path) -> str:
    """Write `manifest.json` with size and hash of each file below the folder; return its own hash."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    entries = {
        path.relative_to(folder).as_posix(): {"sha256": sha256(path.read_bytes()), "size_bytes": path.stat().st_size}
        for path in found
    }
    content = json.dumps(entries, indent=1, sort_keys=True).encode()
    (folder / MANIFEST).write_bytes(content)
    return sha256(content)


@dataclass(frozen=True)
class _Entry:
    sha256: str


_MANIFEST = TypeAdapter(dict[str, _Entry])


def read_manifest(content: bytes, where: str) -> dict[str, str]:
    """The hash of each file by its path.

    Raises:
        IntegrityError: it is not a manifest; `where` names it.
    """
    entries = read_json(_MANIFEST, content, where=where, kind="manifest")
    return {path: entry.sha256 for path, entry in entries.items()}


@dataclass(frozen=True)
class Artifacts:
    """The files of a run, at their storage location.

    MLflow's client reports every failure as a path that does not exist; the artifact repository says what failed.

    Raises:
        MlflowException, RequestException, OSError: from every method: MLflow or its store is not available.
    """

    run_id: str
    _repository: Any

    @classmethod
    def of(cls, client: Any, run: Any, *, root: str = "") -> "Artifacts":
        """The files of a run of MLflow.

        Args:
            client: an `MlflowClient`.
            run: of MLflow.
            root: where MLflow's server keeps its files; used when the client reads the database without a server.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        uri = uri_of(run, client.tracking_uri, root)
        return cls(run.info.run_id, get_artifact_repository(uri, tracking_uri=client.tracking_uri))

    def sizes(self, folder: str = "") -> dict[str, int]:
        """The size in bytes of each file below a folder, by path; -1: unknown."""
        sizes: dict[str, int] = {}
        for found in self._repository.list_artifacts(folder or None):
            if found.is_dir:
                sizes |= self.sizes(found.path)
            else:
                sizes[found.path] = -1 if found.file_size is None else found.file_size
        return sizes

    def remove(self) -> None:
        """Remove all files; missing ones are no error."""
        if self.sizes():
            self._repository.delete_artifacts()

    def fetch(self, path: str, folder: Path) -> Path:
        """Download one file to a local folder.

        Raises:
            RegistryError: the run has no such file.
        """
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        try:
            return Path(self._repository.download_artifacts(path, str(folder)))
        except (MlflowException, RequestException, OSError) as error:
            if path in self.sizes(path.rpartition("/")[0]):
                raise
            raise RegistryError(
                f"MLflow run {self.run_id}: has no file {path!r} in {self._repository.artifact_uri}. Restore the"
                " version from its backup"
            ) from error

    def read(self, path: str) -> bytes:
        """The content of one file; see `fetch`."""
        with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
            return self.fetch(path, Path(folder)).read_bytes()


def uri_of(run: Any, tracking_uri: str, root: str) -> str:
    """The location of a run's files for this process; see `Artifacts.of`."""
    uri = str(run.info.artifact_uri)
    has_server = tracking_uri.startswith(("http://", "https://"))
    if has_server or not root or is_served(root) or not is_served(uri):
        return uri
    path = uri.removeprefix(SERVED).lstrip("/")
    if ".." in path.split("/"):
        raise IntegrityError(
            f"MLflow run {run.info.run_id}: its files are not below {root}; got {uri!r}. Do not read them"
        )
    return f"{root}/{path}"


def upload(client: Any, mlflow_run_id: str, path: str, content: bytes) -> None:
    """Write one file at the top level of a run; `client` is an `MlflowClient`."""
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        local = Path(folder) / path
        local.write_bytes(content)
        client.log_artifact(mlflow_run_id, str(local))
