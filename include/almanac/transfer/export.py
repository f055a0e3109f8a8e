"""Exports one registered version as a signed archive."""

from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version as release_of
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.backup.snapshot.writer import Draft
from almanac.backup.store.keys import Key
from almanac.backup.subjects.model import model_draft
from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.config.own_code import known_code
from almanac.errors import RegistryError
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, RunRef
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import ModelVersion, Tag
from almanac.transfer.archive import ArchiveHead, write_archive
from almanac.transfer.content import DECISIONS, check_content, is_part, own_path, to_json

if TYPE_CHECKING:
    from almanac.registry.store import Registry


def export_version(
    home: Home,
    registry: "Registry",
    journal: Journal,
    version: ModelVersion,
    path: Path,
    *,
    key: Key,
    by: str,
    now: datetime,
) -> ArchiveHead:
    """Write a version to a file: graph, pipeline, passport, profile, card, declaration, own code, decisions.

    Rows are not in it: neither those of the dataset nor those of the backtest.

    Args:
        home: holds the model's card and its own code.
        registry: holds the version.
        journal: holds the decisions about it.
        version: which.
        path: of the file; must not exist.
        key: signs the archive.
        by: who exports it.
        now: aware.

    Raises:
        ConfigError: the file exists or cannot be written, or no file of the models' folder is the version's own code.
        RegistryError: the version was made by something other than Almanac, or MLflow does not hold it.
        IntegrityError: a file of it is not what was recorded; nothing is written.
        TransientError: MLflow or the journal is not available.
    """
    if version.is_foreign:
        raise RegistryError(f"{version.title}: something other than Almanac has registered it; export one of Almanac's")
    with model_draft(home, registry, version) as draft:
        files = _read(draft)
    files[DECISIONS] = to_json([asdict(one) for one in _decisions(journal, version)])
    if code := OnnxModel(registry.load_onnx(version)).code:
        find_model(home.models, version.model)  # reads the files of own code
        files[own_path(code)] = known_code(code)[1].encode("utf-8")
    check_content(version.model, version.version, files, f"{version.title}: export")
    facts = {"model": version.model, "version": version.version, "exported_by": by, "almanac": release_of("almanac")}
    return write_archive(path, files, key, now=now, **facts)


def _read(draft: Draft) -> dict[str, bytes]:
    return {one.path: b"".join(one.pieces()) for one in draft.files if is_part(one.path)}


def _decisions(journal: Journal, version: ModelVersion) -> list[Decision]:
    """What was decided about it, the oldest first: its training, its gates, its approval, promotions and rollbacks."""
    tags, model = version.tags, version.model
    trained = RunRef(tags.get(Tag.DAG_ID, ""), tags.get(Tag.RUN_ID, ""))
    found = [
        *journal.decisions(model, run=trained),
        *journal.decisions(model, subject=version.mlflow_run_id),
        *journal.decisions(model, subject=version.title),
    ]
    unique = {(one.kind, one.subject, one.decided_at, one.run.run_id): one for one in found}
    return sorted(unique.values(), key=lambda one: one.decided_at)
