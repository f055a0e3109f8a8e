"""Missing snapshots: there at the last check, missing now, and never forgotten.

The journal, which is stored elsewhere, remembers them: a deletion in the repository cannot be hidden.
"""

from collections.abc import Iterable
from datetime import datetime

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.store.repository import BackupRepository
from almanac.errors import DataError, IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, SnapshotRecord


def missing_snapshots(repository: BackupRepository, journal: Journal) -> list[Ref]:
    """Snapshots that the journal knows of this repository, and that have neither a manifest nor a tombstone there.

    Raises:
        TransientError: place or journal is unreachable.
    """
    catalogue = Catalogue(repository)
    known = {Ref(one.subject, one.name) for one in journal.snapshots() if one.place == repository.uri}
    if not known:
        return []
    explained = {*catalogue.refs(forgotten=True), *catalogue.tombstone_refs()}
    return sorted(known - explained)


def look(repository: BackupRepository, journal: Journal, run: RunRef) -> list[Ref]:
    """The same; what is there and new to the journal, copied by `replicate` or taken elsewhere, is remembered.

    Args:
        repository: looked at.
        journal: remembers.
        run: the run of this check.

    Raises:
        TransientError: place or journal is unreachable.
    """
    catalogue = Catalogue(repository)
    known = {(one.subject, one.name) for one in journal.snapshots() if one.place == repository.uri}
    for ref in catalogue.refs():
        if (ref.subject, ref.name) not in known:
            journal.record_snapshot(_snapshot_record(repository.uri, ref, _read(catalogue, ref), run))
    return missing_snapshots(repository, journal)


def give_up(repository: BackupRepository, journal: Journal, text: str, *, at: datetime, by: str, reason: str) -> Ref:
    """Write a tombstone for a snapshot that is gone, so that it is no longer reported.

    Args:
        repository: where it was.
        journal: remembers it.
        text: the start of `subject@time`, as the alarm names it.
        at: the time.
        by: who knows.
        reason: what became of it.

    Raises:
        DataError: no missing snapshot matches, or more than one.
    """
    subject, _, time = text.partition("@")
    gone = missing_snapshots(repository, journal)
    found = [ref for ref in gone if ref.subject == subject and ref.name.startswith(time.partition("-")[0])]
    if len(found) != 1:
        names = ", ".join(map(str, gone)) or "none"
        raise DataError(f"{repository.uri}: {len(found)} missing snapshots match {text!r}; missing are: {names}")
    Catalogue(repository).add_tombstone(found[0], at=at, by=by, reason=f"lost: {reason}")
    return found[0]


def in_words(refs: Iterable[Ref], limit: int = 10) -> str:
    """The first of them for people."""
    names = [str(ref) for ref in refs]
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _read(catalogue: Catalogue, ref: Ref) -> Manifest | None:
    try:
        return catalogue.read(ref)
    except IntegrityError:
        return None  # it is there; that it is damaged, `verify` says


def _snapshot_record(place: str, ref: Ref, manifest: Manifest | None, run: RunRef) -> SnapshotRecord:
    files, size = (len(manifest.files), manifest.size) if manifest else (0, 0)
    return SnapshotRecord(place, ref.subject, ref.name, ref.created, files, size, 0, run)
