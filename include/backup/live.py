"""Puts a snapshot back where it came from. Only when somebody asks for it, and never over what is there by accident."""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from sqlalchemy.engine import URL

from include.backup.catalogue import Catalogue
from include.backup.installation import databases
from include.backup.manifest import Manifest, Ref
from include.backup.place import Place
from include.backup.sources import below
from include.backup.subjects.postgres import load
from include.backup.subjects.sqlite import move_artifacts
from include.backup.tiers.thawed import restore_thawed
from include.config.home import Home
from include.errors import ConfigError
from include.registry.served_artifacts import SERVED, holds_files, is_served, put_files
from include.storage.files import copy_file, local_path
from include.storage.objects import is_remote

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Put:
    """One file or folder of a snapshot, and where it belongs."""

    path: str
    target: str


def members(place: Place, ref: Ref) -> list[Ref]:
    """The snapshots of a group, databases first; of anything else the snapshot itself."""
    manifest = Catalogue(place).read(ref)
    return [Ref(one.subject, one.name) for one in manifest.members] or [ref]


def folder_of(manifest: Manifest) -> str:
    """Where a member of a group goes below the restore's folder."""
    version = f"/v{manifest.facts['version']}" if manifest.subject.startswith("model/") else ""
    return f"{manifest.subject}{version}"


def restore_live(place: Place, ref: Ref, home: Home, *, replace: bool = False) -> list[str]:
    """Restore a snapshot, or each of a group, to the installation's own places; say where.

    Args:
        place: where the snapshot is.
        ref: which.
        home: where it belongs.
        replace: move what is there aside, to `<name>.before-<time>`; False: refuse.

    Raises:
        ConfigError: something is there already, or the snapshot does not say where it belongs.
        IntegrityError: the snapshot is damaged; nothing was put in place.
        TransientError: a store is away or a disk is full.
    """
    catalogue, done = Catalogue(place), []
    refs = members(place, ref)
    for one in refs:  # all are looked at before the first is touched
        for put in _puts(home, catalogue.read(one)):
            _check_free(put.target, replace, home.tracking_uri)
    for one in refs:
        done += _restore_one(place, one, home, replace)
    return done


def _restore_one(place: Place, ref: Ref, home: Home, replace: bool) -> list[str]:
    with scratch(home.scratch) as folder:
        restored = restore_thawed(place, ref, folder / "files", clock=lambda: datetime.now(UTC))
        kind, name = ref.subject.split("/")
        puts = _puts(home, restored.manifest)
        if kind == "database":
            url = databases(home)[name]
            if url.get_backend_name() == "postgresql":
                load(restored.folder / f"{name}.dump", url)
                return [f"{ref} loaded into {url.host}/{url.database}"]
            root = restored.manifest.facts.get("artifact_root")
            if root and root != home.artifacts:
                moved = move_artifacts(restored.folder / f"{name}.db", str(root), home.artifacts)
                log.info("%s rows of MLflow now name %s", moved, home.artifacts)
        there = [put for put in puts if (restored.folder / put.path).exists()]
        for put in there:
            _put(restored.folder / put.path, put.target, replace, home.tracking_uri)
        return [f"{ref} is in {put.target}" for put in there]


def _puts(home: Home, manifest: Manifest) -> list[_Put]:
    kind, name = manifest.subject.split("/")
    match kind:
        case "dataset":
            return [_Put("", home.dataset_of(name))]
        case "outputs":
            landing = any(entry.path.startswith("landing/") for entry in manifest.files)
            return [
                _Put("predictions", home.predictions_of(name)),
                _Put("quarantine/rows", home.quarantined_rows_of(name)),
                _Put("quarantine/files", home.quarantined_files_of(name)),
                _Put("reports", home.reports_of(name)),
                *([_Put("landing", home.landing_of(name))] if landing else []),
            ]
        case "checkpoints":
            return [_Put("", home.checkpoints_of(name))]
        case "model" if path := manifest.facts.get("artifact_path"):
            return [_Put("artifacts", f"{home.artifacts}/{_plain(str(path))}")]
        case "database":
            return [] if manifest.facts.get("engine") == "postgresql" else [_Put(f"{name}.db", _file(home, name))]
        case _:
            raise ConfigError(
                f"{manifest.subject}: does not belong to one place; restore it with --to, then see docs/operations.md"
            )


def _plain(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    if ".." in parts or "\\" in path:
        raise ConfigError(f"not a place of artifacts; got {path!r}, expected <experiment>/<run>/artifacts")
    return "/".join(parts)


def _file(home: Home, name: str) -> str:
    url: URL | None = databases(home).get(name)
    if url is None:
        return f"{home.home}/{name}.db"
    if url.get_backend_name() != "sqlite":
        raise ConfigError(f"database/{name}: was SQLite and is {url.get_backend_name()} now; restore it with --to")
    return str(url.database)


def _check_free(target: str, replace: bool, tracking_uri: str) -> None:
    if is_served(target) or is_remote(target):
        if holds_files(target, tracking_uri) if is_served(target) else below(target):
            raise ConfigError(f"{target}: something is there. Remove it, or restore with --to and look at both")
        return
    there = local_path(target)
    used = there.exists() and (not there.is_dir() or any(there.iterdir()))
    if used and not replace:
        raise ConfigError(f"{target}: something is there. Give --replace to move it aside, or --to another folder")


def _put(source: Path, target: str, replace: bool, tracking_uri: str) -> None:
    if is_served(target):
        put_files(source, target, tracking_uri)
        return
    if is_remote(target):
        _upload(source, target)
        return
    final = local_path(target)
    final.parent.mkdir(parents=True, exist_ok=True)
    _check_free(target, replace, tracking_uri)
    beside = [Path(f"{final}{suffix}") for suffix in ("-wal", "-shm")] if source.is_file() else []
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for old in (final, *beside):
        if old.is_dir() and not any(old.iterdir()):
            old.rmdir()
        elif old.exists():
            old.rename(f"{old}.before-{stamp}")
    shutil.move(source, final)


def _upload(source: Path, target: str) -> None:
    """The log of a table goes last: before it, there is no table."""
    found = sorted((path for path in source.rglob("*") if path.is_file()), key=lambda path: "_delta_log" in path.parts)
    for path in found:
        copy_file(path, f"{target}/{path.relative_to(source).as_posix()}")


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A folder for what is restored only to be looked at; it goes at the end."""
    folder = parent / f"restore-{token_hex(4)}"
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_one_home(folders: Mapping[str, Path], manifests: Mapping[str, Manifest], root: Path) -> Path | None:
    """Lay MLflow's restored database and artifacts out below one root, and let the database name it.

    Args:
        folders: where each member of a group was restored, by `folder_of`.
        manifests: theirs.
        root: the new root; must be on the same disk.

    Returns:
        The database; None when the group has none that can be opened as a file.
    """
    database = folders.get("database/mlflow")
    if database is None or not (database / "mlflow.db").is_file():
        return None
    path, artifacts = database / "mlflow.db", root / "mlartifacts"
    for name, manifest in manifests.items():
        if name.startswith("model/") and (place := manifest.facts.get("artifact_path")):
            target = artifacts / _plain(str(place))
            target.parent.mkdir(parents=True, exist_ok=True)
            (folders[name] / "artifacts").rename(target)
    old = manifests["database/mlflow"].facts.get("artifact_root") or SERVED
    move_artifacts(path, str(old), str(artifacts))
    return path
