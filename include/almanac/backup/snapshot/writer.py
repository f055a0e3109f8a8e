"""Takes a snapshot: objects first, each read back, then the manifest, then the pointer."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from almanac.backup.snapshot.sources import SourceFile
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.codec import HEAD, Encoded, codec_of, decode, encode
from almanac.backup.store.key_records import claim
from almanac.backup.store.locks import Lock, locked
from almanac.backup.store.manifest import (
    Fact,
    FileEntry,
    GroupMember,
    Maker,
    Manifest,
    Ref,
    content_checksum,
    object_name,
)
from almanac.backup.store.repository import BackupRepository, prepare
from almanac.backup.tiers.port import FrozenError
from almanac.errors import DataError, IntegrityError, TransientError
from almanac.failpoints import failpoint

log = logging.getLogger(__name__)


class Clock(Protocol):
    """The time."""

    def __call__(self) -> datetime:
        """Now, with a zone."""


@dataclass(frozen=True)
class Draft:
    """What is to become a snapshot."""

    subject: str
    files: Sequence[SourceFile]
    facts: Mapping[str, Fact]
    tools: Mapping[str, str] = field(default_factory=dict)
    members: tuple[GroupMember, ...] = ()


@dataclass(frozen=True)
class WrittenSnapshot:
    """A snapshot and what it cost. `written` is False when it would have been the same as the one before it."""

    ref: Ref
    manifest: Manifest
    written: bool
    files_read: int
    bytes_read: int
    bytes_stored: int


def take(
    repository: BackupRepository,
    draft: Draft,
    *,
    maker: Maker,
    clock: Clock = lambda: datetime.now(UTC),
    reread: bool = False,
    same_as: tuple[Ref, Manifest] | None = None,
) -> WrittenSnapshot:
    """Take a snapshot.

    Args:
        repository: where to.
        draft: what of.
        maker: author and reason.
        clock: gives the snapshot's time.
        reread: read every file, also those that look unchanged.
        same_as: write no manifest when files and facts are those of this snapshot.

    Raises:
        ConfigError: there is no key to sign with.
        IntegrityError: what was written reads back otherwise.
        TransientError: the store or a source is unreachable, full, or a file changed while it was read; nothing was
            added but orphans.
    """
    repository.signing_key()
    prepare(repository.store)
    with locked(repository.store, "shared", f"backup of {draft.subject}") as lock:
        claim(repository.store, repository.signing_key(), repository.older, by=maker.started_by)
        return _Taking(repository, draft, reread, same_as).take(lock, maker, clock)


class _Taking:
    def __init__(
        self, repository: BackupRepository, draft: Draft, reread: bool, same_as: tuple[Ref, Manifest] | None
    ) -> None:
        self.repository, self.draft, self.same_as = repository, draft, same_as
        self.catalogue = Catalogue(repository)
        self.parent = self._parent()
        base = same_as or self.parent
        before = {} if base is None or reread else {entry.path: entry for entry in base[1].files}
        self._before: Mapping[str, FileEntry] = before
        self._stored = {entry.name: entry.size_bytes for entry in repository.store.list("objects")}

    def take(self, lock: Lock, maker: Maker, clock: Clock) -> WrittenSnapshot:
        """Objects, manifest, pointer."""
        reused = {file.path: self._known(file) for file in self.draft.files}
        to_read = [file for file in self.draft.files if reused[file.path] is None]
        fresh = self._store(to_read)
        failpoint("backup_objects")
        entries = sorted([entry for entry in reused.values() if entry] + fresh, key=lambda entry: entry.path)
        if len({entry.path for entry in entries}) < len(self.draft.files):
            raise IntegrityError(f"{self.draft.subject}: two files would have the same path in the snapshot")
        new = {entry.object_name: entry.stored_size for entry in fresh if entry.object_name not in self._stored}
        read, stored = sum(entry.size for entry in fresh), sum(new.values())
        manifest = Manifest(
            subject=self.draft.subject,
            created=clock(),
            parent=self.parent[0].name if self.parent else "",
            files=tuple(entries),
            content=content_checksum(entries),
            facts=dict(self.draft.facts),
            tools=dict(self.draft.tools),
            made_by=maker,
            members=self.draft.members,
        )
        if self.same_as and _same(self.same_as[1], manifest):
            return WrittenSnapshot(*self.same_as, False, len(fresh), read, 0)
        if fresh:  # what the snapshot before names was synced before it was written
            self.repository.store.sync([entry.object_name for entry in fresh])
        lock.require()
        ref = self.catalogue.add(manifest)
        self._confirm(lock, ref, manifest)
        return WrittenSnapshot(ref, manifest, True, len(fresh), read, stored)

    def _parent(self) -> tuple[Ref, Manifest] | None:
        ref = self.catalogue.newest(self.draft.subject)
        if ref is None:
            return None
        try:
            return ref, self.catalogue.read(ref)
        except IntegrityError as error:
            log.warning("the snapshot before this one is damaged, so every file is read again: %s", error)
            return None

    def _known(self, file: SourceFile) -> FileEntry | None:
        """The entry of the snapshot before, if the file is unchanged and its object is there."""
        entry = self._before.get(file.path)
        if entry is None or not file.stamp or entry.stamp != file.stamp or file.size not in (-1, entry.size):
            return None
        return entry if self._stored.get(entry.object_name) == entry.stored_size else None

    def _store(self, files: Sequence[SourceFile]) -> list[FileEntry]:
        if not files:
            return []
        with self.repository.store.staging() as folder, ThreadPoolExecutor(self.repository.workers) as pool:
            numbered = [(file, folder / f"{number}") for number, file in enumerate(files)]
            return list(pool.map(lambda pair: self._store_one(*pair), numbered))

    def _store_one(self, file: SourceFile, staged: Path) -> FileEntry:
        place = self.repository
        try:
            encoded = encode(file.pieces(), staged, compress=place.compress, key=place.object_key)
        except FileNotFoundError as error:
            raise TransientError(f"{file.path}: was removed while it was backed up; try again") from error
        except OSError as error:
            raise TransientError(f"{file.path}: {error}. Is the disk full? {place.uri} or TMPDIR; try again") from error
        if file.size not in (-1, encoded.size):
            raise TransientError(f"{file.path}: changed while it was read; try again when its writer has finished")
        encoded = self._put(staged, encoded)
        try:
            return FileEntry(path=file.path, stamp=file.stamp, **_fields(encoded))
        except ValidationError as error:
            raise DataError(
                f"{self.draft.subject}: {file.path!r}: a file of this name cannot be restored, so it is not backed up:"
                f" {error.errors()[0]['msg']}. Give it another name, or remove it; then try again"
            ) from error

    def _put(self, staged: Path, encoded: Encoded) -> Encoded:
        """Write the object unless it exists, and read it back; a damaged one is replaced."""
        store, name = self.repository.store, object_name(encoded.sha256)
        if name not in self._stored and store.adopt(staged, name):
            self._read_back(name, encoded)
            return encoded
        found = store.find(name)
        if found is not None:
            try:
                there = replace(encoded, stored_size=found.size_bytes, codec=codec_of(store.head(name, HEAD)))
                self._read_back(name, there)
                return there
            except FrozenError:
                if found.size_bytes != encoded.stored_size:  # another form, unreadable in the archive
                    raise
                log.info("%s is in the archive tier; it becomes hot with the next move between tiers", name)
                return encoded
            except IntegrityError as error:
                log.warning("replaced by what was just read: %s", error)
        store.adopt(staged, name, over=True)
        self._read_back(name, encoded)
        return encoded

    def _read_back(self, name: str, encoded: Encoded) -> None:
        where = f"{self.repository.uri}/{name}"
        for _ in decode(self.repository.store.stream(name), encoded, self.repository.keys, where):
            pass

    def _confirm(self, lock: Lock, ref: Ref, manifest: Manifest) -> None:
        """A process that was stopped between its last look at the lock and its manifest may have been swept under."""
        if lock.held():
            return
        there = {entry.name for entry in self.repository.store.list("objects")}
        if any(entry.object_name not in there for entry in manifest.files):
            self.repository.store.remove(ref.path)
            lock.require()


def _fields(encoded: Encoded) -> dict[str, object]:
    return {
        "size": encoded.size,
        "sha256": encoded.sha256,
        "stored_size": encoded.stored_size,
        "codec": encoded.codec,
    }


def _same(before: Manifest, now: Manifest) -> bool:
    return (before.content, before.facts, before.members) == (now.content, now.facts, now.members)
