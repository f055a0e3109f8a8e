"""Restores a snapshot, or each of a group, to a folder of its own, to look at it. Repeated, it continues."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import URL

from almanac.backup.drill.functional import use
from almanac.backup.restore.live import members
from almanac.backup.restore.progress import RestoreMember, RestoreProgress, Step
from almanac.backup.restore.restore import Restored
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.facts import folder_of, inside
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers.archive_restore import differs_on_disk, restore_from_archive
from almanac.config.location import check_path
from almanac.errors import AlmanacError, IntegrityError, TransientError
from almanac.failpoints import failpoint

_RECORD = "almanac-restore.json"


@dataclass(frozen=True)
class Restores:
    """What is restored, and how.

    Attributes:
        repository: where the snapshot is.
        ref: which.
        target: the folder; new, empty, or that of the same restore which did not come to its end.
        partial: restore what is whole and name the rest.
        use: try what came back.
        trust: load formats that can run code, too.
        servers: PostgreSQL servers by name of the database, on which scratch databases may be made.
        types: that the installation's list of estimators lets a pipeline hold.
    """

    repository: BackupRepository
    ref: Ref
    target: Path
    partial: bool = False
    use: bool = False
    trust: bool = False
    servers: Mapping[str, URL] | None = None
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToFolder:
    """What came of it.

    Attributes:
        folders: where each snapshot is, by `folder_of`.
        manifests: theirs.
        damaged: files that could not be restored; only a partial restore has any.
    """

    folders: Mapping[str, Path]
    manifests: Mapping[str, Manifest]
    damaged: tuple[str, ...] = ()


def restore_to(job: Restores, report: Callable[[str], None]) -> ToFolder:
    """Restore to a folder; a group's members each to one below it, and one that cannot be does not stop the others.

    Args:
        job: what, and where to.
        report: called with the state and the result of each.

    Raises:
        ConfigError: the folder is in use, or its path is none that every client reads as it stands.
        IntegrityError, TransientError: some could not be restored; says which, and that the others are there.
    """
    check_path(job.target, "the folder to restore to")
    refs = members(job.repository, job.ref)
    if refs == [job.ref]:
        restored = _restore(job, job.ref, job.target, report)
        _use(job, restored, report)
        return ToFolder({"": restored.folder}, {"": restored.manifest}, restored.damaged)
    progress = RestoreProgress(job.target / _RECORD, job.ref, now=datetime.now(UTC))
    folders: dict[str, Path] = {}
    manifests: dict[str, Manifest] = {}
    damaged: list[str] = []
    failed: dict[Ref, AlmanacError] = {}
    for ref in refs:
        try:
            manifest = Catalogue(job.repository).read(ref)
            name = folder_of(manifest)
            folder = inside(job.target, name)
            if progress.member(ref) is None or not folder.exists():
                progress.set(ref, RestoreMember(Step.BEGUN))
                _clear_half(folder)
                restored = _restore(job, ref, folder, report)
            else:  # an earlier try has brought it: it appears whole
                restored = _look(job, Restored(ref, manifest, folder), report)
            damaged += restored.damaged
            _use(job, restored, report)
            failpoint("restore_member", ref.subject.replace("/", "-"))
        except AlmanacError as error:
            failed[ref] = error
        else:
            folders[name], manifests[name] = folder, manifest
    if failed:
        raise _failure(job, failed, len(refs))
    progress.end()
    return ToFolder(folders, manifests, tuple(damaged))


def _clear_half(folder: Path) -> None:
    """What an earlier try, which was killed, has left beside a folder."""
    for left in folder.parent.glob(f".{folder.name}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)


def _restore(job: Restores, ref: Ref, folder: Path, report: Callable[[str], None]) -> Restored:
    restored = restore_from_archive(job.repository, ref, folder, clock=lambda: datetime.now(UTC), partial=job.partial)
    report(f"{ref} is in {restored.folder}")
    return restored


def _look(job: Restores, restored: Restored, report: Callable[[str], None]) -> Restored:
    wrong = differs_on_disk(restored)
    if wrong and not job.partial:
        raise IntegrityError(
            f"{restored.folder}: was restored by an earlier attempt, and has changed since: {', '.join(wrong[:5])}."
            " Remove"
            " this folder, then run the same command again"
        )
    report(f"{restored.ref} is in {restored.folder} already")
    return replace(restored, damaged=tuple(f"{path}: missing, or changed" for path in wrong))


def _use(job: Restores, restored: Restored, report: Callable[[str], None]) -> None:
    if job.use:
        server = (job.servers or {}).get(restored.ref.subject.split("/")[1])
        for line in use(restored.folder, restored.manifest, server=server, trust=job.trust, types=job.types):
            report(f"    {line}")


def _failure(job: Restores, failed: Mapping[Ref, AlmanacError], count: int) -> AlmanacError:
    damaged = any(not isinstance(error, TransientError) for error in failed.values())
    kind: type[AlmanacError] = IntegrityError if damaged else TransientError
    lines = [f"{job.ref}: {len(failed)} of {count} snapshots could not be restored to {job.target}; the others are:"]
    lines += [f"  NOT BACK  {ref}: {error}" for ref, error in failed.items()]
    lines.append("Correct what is named, then run the same command again: it continues with what is not back")
    return kind("\n".join(lines))
