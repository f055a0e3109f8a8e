"""Copies snapshots to a secondary repository: objects, then manifests, verified by hash; never deletions."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.codec import HEAD, codec_of, decode
from almanac.backup.store.key_records import claim
from almanac.backup.store.locks import locked
from almanac.backup.store.manifest import MAX_MANIFEST_BYTES, FileEntry, Ref
from almanac.backup.store.repository import BackupRepository, prepare
from almanac.errors import IntegrityError
from almanac.failpoints import failpoint


@dataclass(frozen=True)
class Replicated:
    """What was copied.

    Attributes:
        snapshots: those that are in the secondary repository now and were not before.
        bytes: stored bytes that were sent.
        failed: snapshots that could not be copied, with the reason.
        lag: how much older the newest snapshot of the secondary repository was, at the worst subject, before.
    """

    snapshots: tuple[Ref, ...]
    bytes: int
    failed: tuple[str, ...]
    lag: timedelta


def replicate(first: BackupRepository, second: BackupRepository, *, subjects: Sequence[str] = ()) -> Replicated:
    """Copy every snapshot that the secondary repository does not have, the oldest first.

    A snapshot that the secondary repository has forgotten by its own policy is not sent again. A damaged one is named
    and left out; the others go on.

    Args:
        first: from where.
        second: to where.
        subjects: only these; none: all.

    Raises:
        TransientError: a store is unreachable; what was copied stays, and the next run continues.
    """
    prepare(second.store)
    with locked(first.store, "shared", "replication"), locked(second.store, "shared", "replication"):
        for place in (place for place in (first, second) if place.key):
            claim(place.store, place.signing_key(), place.older, like=first.store)
        source, target = Catalogue(first), Catalogue(second)
        known = {*target.refs(forgotten=True), *(tombstone.ref for tombstone in target.tombstones())}
        wanted = [ref for ref in source.refs() if not subjects or ref.subject in subjects]
        missing = sorted((ref for ref in wanted if ref not in known), key=_groups_last)
        lag = worst_lag(first, second)
        there = {entry.name for entry in second.store.list("objects")}
        sent, failed, copied = 0, [], []
        for ref in missing:
            try:
                sent += _copy(source, target, ref, there)
                copied.append(ref)
            except IntegrityError as error:
                failed.append(f"{ref}: {error}")
        return Replicated(tuple(copied), sent, tuple(failed), lag)


def worst_lag(first: BackupRepository, second: BackupRepository) -> timedelta:
    """How far the secondary repository is behind, at the subject where it is furthest."""
    here, there = _newest(first), _newest(second)
    lags = [time - there.get(subject, _first(first, subject)) for subject, time in here.items()]
    return max([*lags, timedelta(0)])


def _newest(repository: BackupRepository) -> dict[str, datetime]:
    return {ref.subject: ref.created for ref in Catalogue(repository).refs()}


def _first(repository: BackupRepository, subject: str) -> datetime:
    return Catalogue(repository).refs(subject)[0].created


def _groups_last(ref: Ref) -> tuple[bool, str]:
    return (ref.subject.startswith("group/"), ref.name)


def _copy(source: Catalogue, target: Catalogue, ref: Ref, there: set[str]) -> int:
    manifest = source.read(ref)
    entries = {entry.object_name: entry for entry in manifest.files if entry.object_name not in there}
    store = target.repository.store
    with store.staging() as folder, ThreadPoolExecutor(target.repository.workers) as pool:
        jobs = [(entry, folder / str(number)) for number, entry in enumerate(entries.values())]
        list(pool.map(lambda job: _copy_object(source.repository, target.repository, *job), jobs))
    store.sync([entry.object_name for entry in manifest.files])
    failpoint("backup_replicate")
    data = source.repository.store.read(ref.path, limit=MAX_MANIFEST_BYTES).data
    store.create(ref.path, data)
    target.point(ref)
    there.update(entries)
    return sum(entry.stored_size for entry in entries.values())


def _copy_object(source: BackupRepository, target: BackupRepository, entry: FileEntry, staged: Path) -> None:
    """The stored bytes as they are, checked on both sides: from what was read, and from what lies there then."""
    name = entry.object_name
    try:
        with staged.open("xb") as stream:
            for piece in source.store.stream(name):
                stream.write(piece)
    except FileNotFoundError as error:
        raise IntegrityError(f"{source.uri}/{name}: the object is missing") from error
    ours = target.store.adopt(staged, name)
    where = f"{target.uri}/{name}"
    try:
        # somebody else may have put the same content there at the same time, in another form
        if codec_of(target.store.head(name, HEAD)) != entry.codec:
            raise IntegrityError(f"{where}: is stored there in another form; expected {entry.codec}")
        for _ in decode(target.store.stream(name), entry.encoded, source.keys, where):
            pass
    except IntegrityError:
        if ours:
            target.store.remove(name)
        raise
