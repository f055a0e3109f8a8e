"""Puts restored files in place: staged beside their target first, then by one rename; and verifies them.

To stores and to MLflow's server files go one by one, a table's log last; what was sent is sent again.
"""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from almanac.backup.restore.targets import Target, is_used
from almanac.backup.snapshot.sources import below
from almanac.backup.store.facts import database_facts
from almanac.backup.store.manifest import FileEntry, Manifest
from almanac.backup.subjects.sqlite import examine
from almanac.backup.tiers.archive_restore import reads_as
from almanac.errors import ConfigError, IntegrityError, TransientError
from almanac.registry.served_artifacts import is_served, put_files, sizes_of
from almanac.storage.disk import sync_path, sync_paths
from almanac.storage.files import copy_file

_BESIDE_SQLITE = ("-wal", "-shm", "-journal")


def staged_name(target: Path, token: str) -> Path:
    """Where the content of a place lies until it is put there: on the same disk, so that putting is a rename."""
    return target.with_name(f".{target.name}.restoring-{token}")


def stage(source: Path, target: Path, staged: Path) -> None:
    """Bring restored files beside their place, durably.

    Args:
        source: a file or folder of the restore's own; it moves.
        target: the place.
        staged: see `staged_name`; what an earlier try left there goes.

    Raises:
        TransientError: the disk is full or refuses.
    """
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        clear(staged)
        try:
            source.rename(staged)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(source, staged)
        paths = [staged, *staged.rglob("*")] if staged.is_dir() else [staged]
        sync_paths([*paths, target.parent], target.parent)


def put(staged: Path, target: Path, *, replace: bool, begun: datetime) -> None:
    """Put what was staged in its place; nothing to do when it is there already.

    Args:
        staged: see `stage`.
        target: the place.
        replace: what is there is moved aside, to `<name>.before-<time>`.
        begun: when the restore began: the time of the name.

    Raises:
        ConfigError: something is there, and is not to be replaced.
        TransientError: the disk refuses.
    """
    if not os.path.lexists(staged):
        return
    if is_used(target) and not replace:
        raise ConfigError(f"{target}: already exists. Give --replace to move it aside, or --to another folder")
    with _disk_errors(target):
        beside = [Path(f"{target}{suffix}") for suffix in _BESIDE_SQLITE] if staged.is_file() else []
        for old in (target, *beside):
            if old.is_dir() and not old.is_symlink() and not any(old.iterdir()):
                old.rmdir()
            elif os.path.lexists(old):
                old.rename(_aside(old, begun))
        staged.rename(target)
        sync_path(target.parent)


def send(source: Path, target: Target, tracking_uri: str) -> None:
    """Send restored files to a store or to MLflow's server.

    Raises:
        RegistryError: the server refuses.
        TransientError: store or server are away.
    """
    if is_served(target.uri):
        put_files(source, target.uri, tracking_uri)
        return
    found = sorted((path for path in source.rglob("*") if path.is_file()), key=lambda path: "_delta_log" in path.parts)
    for path in found:  # the log of a table goes last: before it, there is no table
        copy_file(path, f"{target.uri}/{path.relative_to(source).as_posix()}")


def check(manifest: Manifest, target: Target, tracking_uri: str) -> None:
    """Look at what is in its place: all of it is there, and reads as it was backed up.

    Files of this machine are read again; of those in a store or behind MLflow's server the sizes are compared.

    Raises:
        IntegrityError: something is missing, or is otherwise.
        TransientError: store or server are away.
    """
    wanted = entries_of(manifest, target)
    if manifest.subject.startswith("database/") and target.local is not None:
        if examine(target.local) != database_facts(manifest).tables:
            raise IntegrityError(f"{target.local}: the rows of its tables differ from what was recorded; do not use it")
        return
    if target.local is None:
        served = is_served(target.uri)
        found = sizes_of(target.uri, tracking_uri) if served else {one.path: one.size for one in below(target.uri)}
        wrong = [path for path, entry in wanted.items() if found.get(path) not in (entry.size, -1)]
    else:
        wrong = [path for path, entry in wanted.items() if not reads_as(target.local / path, entry)]
    if wrong:
        raise IntegrityError(
            f"{target.uri}: {len(wrong)} of {len(wanted)} files are missing or differ from the backup, for example"
            f" {wrong[0]}. Is the disk damaged, or does another process write there?"
        )


def entries_of(manifest: Manifest, target: Target) -> Mapping[str, FileEntry]:
    """The files of a snapshot that belong to a place, by their paths below it."""
    prefix = f"{target.path}/" if target.path else ""
    return {entry.path.removeprefix(prefix): entry for entry in manifest.files if entry.path.startswith(prefix)}


def clear(staged: Path) -> None:
    """Remove what an earlier try left under a name of ours."""
    if staged.is_dir() and not staged.is_symlink():
        shutil.rmtree(staged)
    else:
        staged.unlink(missing_ok=True)


def _copy(source: Path, staged: Path) -> None:
    """To another disk; half a copy does not stay, it may be what has filled it."""
    try:
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, staged)
    except OSError:
        clear(staged)
        raise


def _aside(old: Path, begun: datetime) -> Path:
    name = old.with_name(f"{old.name}.before-{begun:%Y%m%dT%H%M%SZ}")
    number = 1
    while os.path.lexists(name):
        number += 1
        name = old.with_name(f"{old.name}.before-{begun:%Y%m%dT%H%M%SZ}-{number}")
    return name


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, shutil.Error) as error:
        raise TransientError(
            f"{target}: cannot be moved into place: {error}. Free space, or grant the right to write there; then run"
            " the same command again: it continues where it stopped"
        ) from error
