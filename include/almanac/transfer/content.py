"""What an archive holds of a version, and that its parts belong together.

A trusted key says who has written an archive. This says that what they wrote is one version: the graph, the passport
and all other files are those that its registry had recorded.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from almanac.backup.subjects.model import ARTIFACTS, CARD, CHECK, RUN
from almanac.display import join_names, shorten
from almanac.errors import DataError, IntegrityError
from almanac.json_text import parse_json
from almanac.programs.contract import KEPT
from almanac.registry import files
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import Tag
from almanac.registry.strict_json import read_json
from almanac.training.passport import Passport, read_passport

DECISIONS, OWN = "decisions.json", "own/"
_NEEDED = (files.ONNX, files.PIPELINE, files.PASSPORT, files.PROFILE, files.CONFIG, files.MANIFEST)
_LATER = (files.DECISION, files.CARD)  # written by the judge, when the manifest was complete
_ARTIFACTS = (*_NEEDED, *_LATER, files.MLMODEL, files.PARITY)
NEEDED = (*(f"{ARTIFACTS}{name}" for name in _NEEDED), RUN, CHECK, DECISIONS)
KNOWN = frozenset((*(f"{ARTIFACTS}{name}" for name in _ARTIFACTS), RUN, CHECK, DECISIONS, CARD))
_PROGRAM = f"{ARTIFACTS}{KEPT}/"  # what a training program left, and its own files: kept, never loaded or run
_TOLERANCE = 1e-6  # another onnxruntime may sum in another order


@dataclass(frozen=True)
class _OriginRun:
    run_id: str


@dataclass(frozen=True)
class _OriginVersion:
    version: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class _OriginName:
    name: str


@dataclass(frozen=True)
class _OriginRecord:
    """`mlflow.json`, as far as it is read here."""

    run: _OriginRun
    version: _OriginVersion
    model: _OriginName


_RECORD = TypeAdapter(_OriginRecord)


@dataclass(frozen=True, eq=False)
class VersionContent:
    """A version whose parts are those that its registry had recorded.

    Attributes:
        title: `model@number` in its own installation.
        files: content by path of the archive.
        passport: its passport.
        graph: its graph.
        mlflow_run_id: of its own registry.
        manifest_sha256: names the training: the hash of the list of its files.
    """

    title: str
    files: Mapping[str, bytes] = field(repr=False)
    passport: Passport = field(repr=False)
    graph: OnnxModel = field(repr=False)
    mlflow_run_id: str
    manifest_sha256: str

    def artifact(self, name: str) -> bytes:
        """One file of the candidate's run."""
        return self.files[f"{ARTIFACTS}{name}"]


def is_part(path: str) -> bool:
    """Whether an archive may hold a file at this path, beside code of own features."""
    return path in KNOWN or path.startswith(_PROGRAM)


def check_content(model: str, version: str, found: Mapping[str, bytes], where: str) -> VersionContent:
    """The version that the files hold.

    Args:
        model: whose version they should hold.
        version: its number.
        found: content by path.
        where: names them in messages.

    Raises:
        IntegrityError: a file is missing or is none of a version's, or one is not what the others say of it.
    """
    title = f"{model}@{version}"
    unknown = [path for path in found if not is_part(path) and not path.startswith(OWN)]
    missing = [path for path in NEEDED if path not in found]
    if unknown or missing:
        raise _wrong(where, f"has no {join_names(missing)}" if missing else f"has {join_names(unknown)}, no part of it")
    record = read_json(_RECORD, found[RUN], where=f"{where}: {RUN}", kind="record of a version")
    if (record.model.name, record.version.version) != (model, version):
        raise _wrong(where, f"{RUN} is of {shorten(record.model.name, 60)}@{shorten(record.version.version, 20)}")
    tags = record.version.tags
    _check_artifacts(found, tags, where)
    passport = read_passport(found[f"{ARTIFACTS}{files.PASSPORT}"], f"{where}: {files.PASSPORT}")
    graph = OnnxModel(files.verified(found[f"{ARTIFACTS}{files.ONNX}"], passport.onnx_sha256, f"{where}: {files.ONNX}"))
    if passport.model != model or tags.get(Tag.MODEL) != model:
        raise _wrong(where, f"its passport is of the model {passport.model!r}")
    if graph.features != passport.features:
        raise _wrong(where, "its graph takes other features than its passport names")
    _check_predictions(graph, found[CHECK], where)
    _check_own_code(graph, passport, found, where)
    return VersionContent(title, found, passport, graph, record.run.run_id, tags[Tag.MANIFEST_SHA256])


def _check_artifacts(found: Mapping[str, bytes], tags: Mapping[str, str], where: str) -> None:
    """The files are those of the manifest, whose hash the registry had recorded, as that of the graph."""
    manifest = found[f"{ARTIFACTS}{files.MANIFEST}"]
    for name, tag in ((files.MANIFEST, Tag.MANIFEST_SHA256), (files.ONNX, Tag.ONNX_SHA256)):
        files.verified(found[f"{ARTIFACTS}{name}"], tags.get(tag, "none"), f"{where}: {name}")
    hashes = files.read_manifest(manifest, f"{where}: {files.MANIFEST}")
    for path, content in found.items():
        name = path.removeprefix(ARTIFACTS)
        if path.startswith(ARTIFACTS) and name != files.MANIFEST and name not in _LATER:
            files.verified(content, hashes.get(name, "none"), f"{where}: {name}")


def _check_predictions(graph: OnnxModel, raw: bytes, where: str) -> None:
    """The graph predicts here what it predicted where it was exported."""
    import numpy as np

    try:
        check: dict[str, Any] = parse_json(raw)
        inputs = np.array(check["inputs"], dtype=np.float32)
        expected = np.array(check["probabilities"], dtype=np.float64)
        apart = np.abs(graph.predict(inputs) - expected)
    except (ValueError, KeyError, TypeError, DataError) as error:
        raise _wrong(where, f"{CHECK} cannot be read: {shorten(str(error), 200)}") from error
    worst = float(apart.max()) if apart.size else float("nan")
    if not worst <= _TOLERANCE:
        how = f"by {worst:.3g}; compare the versions of onnxruntime"
        raise _wrong(where, f"its graph predicts otherwise here than where it was exported, {how}")


def _check_own_code(graph: OnnxModel, passport: Passport, found: Mapping[str, bytes], where: str) -> None:
    """The code of own features is the one that graph and passport name. It is read as bytes, and never run."""
    shipped = {path: hashlib.sha256(content).hexdigest() for path, content in found.items() if path.startswith(OWN)}
    expected = {own_path(graph.code): graph.code} if graph.code else {}
    if shipped != expected or passport.features_sha256 != graph.code:
        raise _wrong(where, f"its own features are the code {graph.code or '(none)'}, and it holds {shipped or 'none'}")


def own_path(sha256: str) -> str:
    """Where an archive holds the code of own features."""
    return f"{OWN}{sha256}.py"


def _wrong(where: str, what: str) -> IntegrityError:
    return IntegrityError(f"{where}: not one whole version: {what}. Ask for another export; import nothing of this")


def to_json(value: object) -> bytes:
    """Plain values as JSON; times and the like as texts."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, default=str).encode()
