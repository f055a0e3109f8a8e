"""Restores a snapshot to disk. Needs the repository and the key, and nothing else: no Airflow, MLflow or journal.

Nothing is opened, loaded or unpickled here; files are written, each checked against its hash.
"""

import os
import shutil
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.codec import decode
from almanac.backup.store.locks import locked
from almanac.backup.store.manifest import FileEntry, Manifest, Ref
from almanac.backup.store.repository import BackupRepository
from almanac.errors import ConfigError, IntegrityError, TransientError
from almanac.storage import disk

_RESERVE_BYTES = 64 << 20


@dataclass(frozen=True)
class Restored:
    """What came back, and where it lies.

    Attributes:
        ref: the snapshot.
        manifest: its manifest.
        folder: where its files are.
        damaged: what could not be restored, with the reason; only a partial restore has any.
    """

    ref: Ref
    manifest: Manifest
    folder: Path
    damaged: tuple[str, ...] = ()


def restore(
    repository: BackupRepository, ref: Ref, target: Path, *, partial: bool = False, lock: bool = True
) -> Restored:
    """Restore a snapshot into a new folder, which appears when everything is in it.

    Args:
        repository: where the snapshot is.
        ref: which.
        target: the folder; it must not exist, or be empty.
        partial: restore what is whole and name the rest, instead of nothing.
        lock: hold off a sweep; False for a place that cannot be written.

    Raises:
        ConfigError: the target is in use, or an object is encrypted and there is no key.
        IntegrityError: manifest or objects are damaged; all that are damaged are named, and nothing is restored.
        TransientError: the store is unreachable, or the disk is too small.
    """
    manifest = Catalogue(repository).read(ref)
    _check_target(target)
    with _held(repository, ref, lock), _partial(target) as folder:
        _check_space(folder, manifest)
        damaged = _write_all(repository, manifest.files, folder)
        if damaged and not partial:
            raise IntegrityError(
                f"{ref}: {len(damaged)} of {len(manifest.files)} files are damaged; nothing was restored. Restore it"
                " from the secondary repository, take an older snapshot, or restore the rest with --partial:\n  "
                + "\n  ".join(damaged)
            )
        _sync(folder)
        if target.exists():
            target.rmdir()
        folder.rename(target)
    return Restored(ref, manifest, target, tuple(damaged))


def restore_file(repository: BackupRepository, entry: FileEntry, path: Path) -> None:
    """Restore one file to a path where nothing is yet.

    Raises:
        IntegrityError: its object is gone or damaged; the path is left empty.
        TransientError: the store is unreachable, or the disk is full.
    """
    where = f"{repository.uri}/{entry.object_name}"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            for piece in decode(repository.store.stream(entry.object_name), entry.encoded, repository.keys, where):
                stream.write(piece)
        disk.start_writing(path)
    except FileNotFoundError as error:
        path.unlink(missing_ok=True)
        raise IntegrityError(f"{where}: the object is missing. Restore it from the secondary repository") from error
    except OSError as error:
        path.unlink(missing_ok=True)
        raise TransientError(f"{path}: cannot be written: {error}") from error
    except IntegrityError:
        path.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    try:
        disk.sync_paths([folder, *folder.rglob("*")], folder)
    except OSError as error:
        raise TransientError(f"{folder.parent}: cannot be written: {error}") from error


def _write_all(repository: BackupRepository, files: Collection[FileEntry], folder: Path) -> list[str]:
    def write(entry: FileEntry) -> str:
        try:
            restore_file(repository, entry, folder / entry.path)
        except IntegrityError as error:
            return f"{entry.path}: {error}"
        return ""

    with ThreadPoolExecutor(repository.workers) as pool:
        return [message for message in pool.map(write, files) if message]


def _check_target(target: Path) -> None:
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise ConfigError(f"{target}: is in use; give a folder that does not exist, or is empty")
    target.parent.mkdir(parents=True, exist_ok=True)


def _check_space(folder: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(folder).free
    if manifest.size + _RESERVE_BYTES > free:
        raise TransientError(
            f"{folder.parent}: too small for {manifest.subject}; got {free >> 20} MiB free, expected"
            f" {(manifest.size + _RESERVE_BYTES) >> 20} MiB. Free some space, or give another disk by --to"
        )


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    folder = target.with_name(f".{target.name}.{token_hex(4)}.partial")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(repository: BackupRepository, ref: Ref, lock: bool) -> Iterator[None]:
    if not lock:
        yield
        return
    with locked(repository.store, "shared", f"restore of {ref}"):
        yield
