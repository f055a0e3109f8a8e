"""Files of MLflow's runs that only its server can reach: on a volume or in a store of its own."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from almanac.registry.client_settings import configure_client
from almanac.registry.errors import mlflow_errors

SERVED = "mlflow-artifacts:"


def is_served(uri: str) -> bool:
    """Whether only MLflow's server can read this location."""
    return uri.startswith(SERVED)


def holds_files(uri: str, tracking_uri: str) -> bool:
    """Whether a location holds any file.

    Raises:
        RegistryError: the server refuses the request.
        TransientError: it is not available.
    """
    with mlflow_errors(uri):
        return bool(_repository(uri, tracking_uri).list_artifacts())


def sizes_of(uri: str, tracking_uri: str) -> dict[str, int]:
    """The size in bytes of each file below a location, by path; -1: unknown.

    Raises:
        RegistryError: the server refuses the request.
        TransientError: it is not available.
    """
    from almanac.registry.files import Artifacts

    with mlflow_errors(uri):
        return Artifacts(uri, _repository(uri, tracking_uri)).sizes()


def put_files(folder: Path, uri: str, tracking_uri: str) -> None:
    """Upload all files below a folder to the server.

    Raises:
        RegistryError: the server refuses the request.
        TransientError: it is not available.
    """
    with mlflow_errors(uri):
        _repository(uri, tracking_uri).log_artifacts(str(folder))


def hash_served(uri: str, name: str, tracking_uri: str) -> str:
    """The SHA-256 of one file below a location.

    Raises:
        FileNotFoundError: the server has no such file.
        RegistryError: it refuses the request.
        TransientError: it is not available.
    """
    with mlflow_errors(f"{uri}/{name}"), tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        repository = _repository(uri, tracking_uri)
        if name in {found.path for found in repository.list_artifacts(name.rpartition("/")[0] or None)}:
            return hashlib.sha256(Path(repository.download_artifacts(name, folder)).read_bytes()).hexdigest()
    raise FileNotFoundError(f"{uri}/{name}")


def _repository(uri: str, tracking_uri: str) -> Any:
    configure_client()
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    return MlflowArtifactsRepository(uri, tracking_uri)
