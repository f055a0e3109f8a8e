"""Restores what may have to come from the archive first."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from almanac.backup.restore.restore import Restored, restore
from almanac.backup.store.manifest import FileEntry, Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers.archive_request import (
    OPEN,
    ArchiveRequest,
    ArchiveRequestState,
    advance,
    archived,
    find,
    mark,
)
from almanac.config.sections.retention.tiers import Tiers
from almanac.errors import IntegrityError
from almanac.storage.files import hash_file


def request_restore(
    repository: BackupRepository, refs: list[Ref], settings: Tiers, *, now: datetime, by: str
) -> list[ArchiveRequest]:
    """Request snapshots from the archive, or check their state; gives those that cannot be read yet.

    Raises:
        IntegrityError: a manifest is damaged.
        TransientError: the store is unreachable.
    """
    archive = archived(repository)
    found = [advance(repository, ref, archive, settings, now=now, by=by) for ref in refs]
    return [request for request in found if request is not None and not request.readable]


def restore_from_archive(
    repository: BackupRepository, ref: Ref, target: Path, *, clock: Callable[[], datetime], partial: bool = False
) -> Restored:
    """As `restore`; one that was asked for is read again from disk, and each step is kept in the repository.

    Raises:
        IntegrityError: also when what was written reads back otherwise.
        FrozenError: it lies in the archive; see `ask`.
    """
    request = find(repository, ref)
    restored = restore(repository, ref, target, partial=partial)
    if request is not None and request.state in OPEN:
        copied = mark(repository, request, ArchiveRequestState.COPIED, now=clock())
        if not restored.damaged:
            check_on_disk(restored)
            mark(repository, copied, ArchiveRequestState.VERIFIED, now=clock())
    return restored


def check_on_disk(restored: Restored) -> None:
    """Read what was restored again, and compare it with the checksum of the whole.

    Raises:
        IntegrityError: a file reads otherwise.
    """
    if wrong := differs_on_disk(restored):
        raise IntegrityError(
            f"{restored.folder}: differs from what was written: {', '.join(wrong)}; is this disk damaged?"
        )


def differs_on_disk(restored: Restored) -> list[str]:
    """The files that are not on disk as they were backed up."""
    return [entry.path for entry in restored.manifest.files if not reads_as(restored.folder / entry.path, entry)]


def reads_as(path: Path, entry: FileEntry) -> bool:
    """Whether a file is there, and reads as it was backed up."""
    try:
        return path.stat().st_size == entry.size and hash_file(str(path)) == entry.sha256
    except FileNotFoundError:
        return False
