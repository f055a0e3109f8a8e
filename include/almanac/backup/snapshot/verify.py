"""Says whether a snapshot is what was written, level by level, without restoring it into use.

1 the manifest: name, signature, form, place, pointer, parent. 2 each object is there with its size. 3 the content of
objects, all or today's share. 4 restored into a scratch folder. 5 used: see `almanac.backup.drill.functional`.
"""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.codec import decode
from almanac.backup.store.manifest import FileEntry, Manifest, Ref
from almanac.backup.store.repository import BackupRepository, check_format
from almanac.backup.tiers.port import FrozenError
from almanac.errors import IntegrityError

Level = Literal[1, 2, 3, 4, 5]
_AHEAD = timedelta(hours=1)
_FROZEN = "frozen"  # no fault: its size is compared; its content is when it is restored from the archive


@dataclass(frozen=True)
class VerifyFinding:
    """Something that is not as it should be. `fatal`: the snapshot cannot be restored whole; `sha256`: which object."""

    ref: Ref
    text: str
    fatal: bool = True
    sha256: str = ""


@dataclass(frozen=True)
class Share:
    """Which objects are read today: each of them once in `days`, and those that were damaged at the last look."""

    days: int
    day: int
    also: frozenset[str] = frozenset()

    @classmethod
    def today(cls, days: int, now: datetime) -> "Share":
        """The share of a day, by the number of days since 1970."""
        return cls(days, (now - datetime(1970, 1, 1, tzinfo=UTC)).days)

    def takes(self, sha256: str) -> bool:
        """Whether this object's turn is today."""
        return sha256 in self.also or int(sha256[:8], 16) % self.days == self.day % self.days


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what was found; `frozen` objects lie in the archive and were not read."""

    snapshots: int
    objects: int
    bytes_read: int
    findings: tuple[VerifyFinding, ...]
    frozen: int = 0


def verify(
    repository: BackupRepository, refs: Collection[Ref], *, level: Level, now: datetime, share: Share | None = None
) -> Verified:
    """Verify snapshots up to level 3; an object that several of them name is read once.

    Args:
        repository: where they are.
        refs: which.
        level: 1 to 3.
        now: aware; later times are in the future.
        share: of level 3; None: every object.

    Raises:
        IntegrityError: the format of the repository is not known.
        TransientError: the store is unreachable.
    """
    check_format(repository.store)
    catalogue = Catalogue(repository)
    known = frozenset(ref.name for ref in catalogue.refs(forgotten=True))
    known |= {tombstone.ref.name for tombstone in catalogue.tombstones()}
    findings: list[VerifyFinding] = []
    manifests: dict[Ref, Manifest] = {}
    for ref in refs:
        try:
            manifests[ref] = catalogue.read(ref)
            findings += _history(ref, manifests[ref], known, now)
        except IntegrityError as error:
            findings.append(VerifyFinding(ref, str(error)))
    findings += _pointers(catalogue, {ref.subject for ref in refs})
    findings += _replayed(catalogue)
    if level == 1:
        return Verified(len(refs), 0, 0, tuple(findings))
    objects, read, frozen, more = _verify_objects(
        repository, manifests, share if level >= 3 else Share(1, 0), read=level >= 3
    )
    return Verified(len(refs), objects, read, (*findings, *more), frozen)


def _history(ref: Ref, manifest: Manifest, known: Collection[str], now: datetime) -> Iterator[VerifyFinding]:
    if manifest.parent and manifest.parent not in known:
        yield VerifyFinding(
            ref, f"{ref}: its parent snapshot is missing, and was not forgotten: {manifest.parent}", False
        )
    if ref.created > now + _AHEAD:
        yield VerifyFinding(ref, f"{ref}: is dated in the future; a clock was wrong", False)


def _pointers(catalogue: Catalogue, subjects: Collection[str]) -> Iterator[VerifyFinding]:
    for subject in sorted(subjects):
        newest = catalogue.newest(subject)
        pointer = catalogue.pointer(subject)
        if newest is not None and pointer != newest.name:
            yield VerifyFinding(
                newest,
                f"latest/{subject}: names {pointer or 'nothing'}, but {newest.name} is the newest. A backup ended"
                " before it moved the pointer, or somebody put an old one back; the next backup corrects it",
                False,
            )


def _replayed(catalogue: Catalogue) -> Iterator[VerifyFinding]:
    """Manifests that were swept, with what only they named, and are there again."""
    for ref in set(catalogue.refs(forgotten=True)) - set(catalogue.refs()):
        try:
            files = catalogue.read(ref).files
        except IntegrityError as error:
            yield VerifyFinding(ref, f"{ref}: forgotten, and damaged: {error}", False)
            continue
        if any(catalogue.repository.store.find(entry.object_name) is None for entry in files):
            yield VerifyFinding(
                ref, f"{ref}: was forgotten and swept, but its manifest is there again; remove it", False
            )


def _verify_objects(
    repository: BackupRepository, manifests: dict[Ref, Manifest], share: Share | None, *, read: bool
) -> tuple[int, int, int, list[VerifyFinding]]:
    there = {entry.name: entry.size_bytes for entry in repository.store.list("objects")}
    wanted = {entry.sha256: entry for manifest in manifests.values() for entry in manifest.files}
    chosen = {sha256: entry for sha256, entry in wanted.items() if share is None or share.takes(sha256)}

    def check(entry: FileEntry) -> str:
        found = there.get(entry.object_name)
        where = f"{repository.uri}/{entry.object_name}"
        if found is None:
            return f"{where}: the object is missing"
        if found != entry.stored_size:
            return f"{where}: has another size; got {found} bytes, expected {entry.stored_size}"
        return _read(repository, entry, where) if read else ""

    with ThreadPoolExecutor(repository.workers) as pool:
        results = {
            entry.sha256: text for entry, text in zip(chosen.values(), pool.map(check, chosen.values()), strict=True)
        }
    frozen = {sha256 for sha256, text in results.items() if text == _FROZEN}
    problems = {sha256: text for sha256, text in results.items() if text and sha256 not in frozen}
    findings = [
        VerifyFinding(ref, f"{ref}: {entry.path}: {problems[entry.sha256]}", sha256=entry.sha256)
        for ref, manifest in manifests.items()
        for entry in manifest.files
        if entry.sha256 in problems
    ]
    bytes_read = sum(entry.stored_size for entry in chosen.values() if entry.sha256 not in frozen) if read else 0
    return len(chosen), bytes_read, len(frozen), findings


def _read(repository: BackupRepository, entry: FileEntry, where: str) -> str:
    try:
        for _ in decode(repository.store.stream(entry.object_name), entry.encoded, repository.keys, where):
            pass
    except FrozenError:
        return _FROZEN
    except IntegrityError as error:
        return str(error)
    except FileNotFoundError:
        return f"{where}: the object is missing"
    return ""
