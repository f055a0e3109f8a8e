"""The last champion on this machine's own disk: the service starts with it where the registry is away."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from almanac.config.credentials import private_folder
from almanac.errors import IntegrityError


@dataclass(frozen=True)
class CachedVersion:
    """Which version is kept, and the hash of its graph as the registry recorded it."""

    model: str
    version: str
    onnx_sha256: str


class VersionCache:
    """One verified graph of a model; the description is written last, so that half a copy is none.

    Args:
        folder: of the service's own files.
        model: whose.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._folder = folder / "versions"
        self._description = self._folder / f"{model}.json"
        self._model = model

    def keep(self, version: CachedVersion, graph: bytes) -> None:
        """Keep a version in place of the one before.

        Raises:
            OSError: the disk is full, or the folder is nobody's to write.
        """
        private_folder(self._folder.parent)
        private_folder(self._folder)
        before = self._read()
        _write(self._graph(version), graph)
        _write(self._description, json.dumps(asdict(version)).encode())
        if before is not None and before != version:
            self._graph(before).unlink(missing_ok=True)

    def load(self) -> tuple[CachedVersion, bytes] | None:
        """The version that was kept last, verified; None: there is none.

        Raises:
            IntegrityError: its bytes are not those that the registry recorded.
        """
        version = self._read()
        if version is None:
            return None
        path = self._graph(version)
        graph = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(graph).hexdigest() != version.onnx_sha256 or version.model != self._model:
            raise IntegrityError(
                f"{path}: got {len(graph)} bytes with another hash than {version.onnx_sha256[:12]}, as recorded of"
                f" {version.model}@{version.version}; expected what was kept. Delete {self._folder}"
            )
        return version, graph

    def _graph(self, version: CachedVersion) -> Path:
        return self._folder / f"{version.onnx_sha256}.onnx"

    def _read(self) -> CachedVersion | None:
        try:
            return CachedVersion(**json.loads(self._description.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"{self._description}: cannot be read: {error!r}. Delete {self._folder}") from error


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
