"""The files of a candidate's MLflow run, and the hashes that prove them."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almanac.errors import IntegrityError, RegistryError
from almanac.registry.served_artifacts import SERVED, is_served

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


@dataclass(frozen=True)
class Artifacts:
    """What a run has written, in the place where it lies.

    MLflow's client, asked by the run, calls whatever goes wrong a path that does not exist; the place says what it was.

    Raises:
        MlflowException, RequestException, OSError: on every method, when MLflow or its store is away.
    """

    run_id: str
    _place: Any

    @classmethod
    def of(cls, client: Any, run: Any, *, root: str = "") -> "Artifacts":
        """Those of a run as MLflow gives it.

        Args:
            client: an `MlflowClient`.
            run: of MLflow.
            root: where MLflow's server keeps what it serves; read there when no server is asked, but its database.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        place = uri_of(run, client.tracking_uri, root)
        return cls(run.info.run_id, get_artifact_repository(place, tracking_uri=client.tracking_uri))

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Bytes of every file below a folder, by its path; -1 where the store does not tell."""
        sizes: dict[str, int] = {}
        for found in self._place.list_artifacts(folder or None):
            if found.is_dir:
                sizes |= self.sizes(found.path)
            else:
                sizes[found.path] = -1 if found.file_size is None else found.file_size
        return sizes

    def remove(self) -> None:
        """Remove all of them; those that are gone already are no fault."""
        if self.sizes():
            self._place.delete_artifacts()

    def fetch(self, path: str, folder: Path) -> Path:
        """One file, below a folder of this machine.

        Raises:
            RegistryError: the run has no such file.
        """
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        try:
            return Path(self._place.download_artifacts(path, str(folder)))
        except (MlflowException, RequestException, OSError) as error:
            if path in self.sizes(path.rpartition("/")[0]):
                raise
            raise RegistryError(
                f"MLflow run {self.run_id}: has no file {path!r} in {self._place.artifact_uri}. It is lost: restore the"
                " version from its backup"
            ) from error


def uri_of(run: Any, tracking_uri: str, root: str) -> str:
    """Where the files of a run lie, as this process reaches them; see `Artifacts.of`."""
    uri = str(run.info.artifact_uri)
    asked = tracking_uri.startswith(("http://", "https://"))
    if asked or not root or is_served(root) or not is_served(uri):
        return uri
    path = uri.removeprefix(SERVED).lstrip("/")
    if ".." in path.split("/"):
        raise IntegrityError(f"MLflow run {run.info.run_id}: its files are not below {root}; got {uri!r}")
    return f"{root}/{path}"


def download(client: Any, mlflow_run_id: str, path: str, *, root: str = "") -> bytes:
    """The bytes of one file of a run; see `Artifacts.of` and `fetch`. `client` is an `MlflowClient`."""
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        return Artifacts.of(client, client.get_run(mlflow_run_id), root=root).fetch(path, Path(folder)).read_bytes()


def upload(client: Any, mlflow_run_id: str, path: str, content: bytes) -> None:
    """Write one artifact at the top of the run; `client` is an `MlflowClient`."""
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        local = Path(folder) / path
        local.write_bytes(content)
        client.log_artifact(mlflow_run_id, str(local))
