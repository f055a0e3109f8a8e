"""Which snapshots a place holds. Manifests are listed, never remembered: the pointer only saves looking."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from almanac.backup.store.manifest import (
    MAX_MANIFEST_BYTES,
    Manifest,
    Ref,
    canonical,
    read_manifest,
    write_manifest,
)
from almanac.backup.store.port import ConflictError
from almanac.backup.store.repository import BackupRepository
from almanac.errors import DataError, IntegrityError
from almanac.json_text import parse_json

_SMALL = 1 << 20


@dataclass(frozen=True)
class Tombstone:
    """A snapshot that was forgotten: when, by whom, why."""

    ref: Ref
    forgotten_at: datetime
    forgotten_by: str
    reason: str


class Catalogue:
    """The snapshots of a repository.

    Raises:
        IntegrityError: on reading, when a manifest is not what was written.
        TransientError: on every method, when the store is unreachable.
    """

    def __init__(self, repository: BackupRepository) -> None:
        self.repository = repository

    def refs(self, subject: str = "", *, forgotten: bool = False) -> tuple[Ref, ...]:
        """The snapshots of a subject, or of all, the oldest of each subject first.

        Args:
            subject: whose; empty: everyone's.
            forgotten: also those with a tombstone whose manifests are still there.
        """
        folder = f"manifests/{subject}" if subject else "manifests"
        refs = self._parsed(folder)
        dead = frozenset() if forgotten else frozenset(self._parsed(folder.replace("manifests", "forgotten", 1)))
        return tuple(sorted(ref for ref in refs if ref not in dead))

    def subjects(self) -> tuple[str, ...]:
        """Whose snapshots there are, sorted."""
        return tuple(sorted({ref.subject for ref in self.refs()}))

    def newest(self, subject: str) -> Ref | None:
        """The newest snapshot of a subject."""
        refs = self.refs(subject)
        return refs[-1] if refs else None

    def read(self, ref: Ref) -> Manifest:
        """A manifest, checked."""
        try:
            data = self.repository.store.read(ref.path, limit=MAX_MANIFEST_BYTES).data
        except FileNotFoundError as error:
            raise IntegrityError(f"{self.repository.uri}/{ref.path}: the manifest is missing") from error
        return read_manifest(ref, data, self.repository.keys, where=self.repository.uri)

    def add(self, manifest: Manifest) -> Ref:
        """Write a manifest: from here on the snapshot exists. The pointer moves afterwards."""
        ref, data = write_manifest(manifest, self.repository.signing_key())
        self.repository.store.create(ref.path, data)
        self.point(ref)
        return ref

    def point(self, ref: Ref) -> None:
        """Move the subject's pointer, never to an older snapshot."""
        name, data = f"latest/{ref.subject}.json", canonical({"manifest": ref.name})
        store = self.repository.store
        while True:
            if store.create(name, data):
                return
            try:
                found = store.read(name, limit=_SMALL)
                if _pointed(found.data) >= ref.name:
                    return
                store.replace(name, data, version=found.version)
            except (ConflictError, FileNotFoundError):
                continue  # another process moved it meanwhile: the newer one wins
            return

    def pointer(self, subject: str) -> str:
        """The name of the manifest that the pointer names; empty without a pointer."""
        try:
            return _pointed(self.repository.store.read(f"latest/{subject}.json", limit=_SMALL).data)
        except FileNotFoundError:
            return ""

    def find(self, text: str, *, forgotten: bool = False) -> Ref:
        """The snapshot that a person means.

        Args:
            text: a subject (its newest), `subject@time` with the start of a time, or the start of a manifest's hash;
                or what `str(ref)` gives.
            forgotten: look among those with a tombstone, too.

        Raises:
            DataError: there is none, or more than one.
        """
        subject, _, time = text.partition("@")
        if "/" in subject:
            refs = [ref for ref in self.refs(subject, forgotten=forgotten) if ref.name.startswith(time)]
            refs = refs[-1:] if not time else refs
        else:
            refs = [ref for ref in self.refs(forgotten=forgotten) if text and ref.sha256.startswith(text)]
        if len(refs) != 1:
            known = ", ".join(self.subjects()) or "none"
            raise DataError(
                f"{self.repository.uri}: {'no snapshot matches' if not refs else f'{len(refs)} snapshots match'}"
                f" {text!r};"
                f" expected a subject ({known}), subject@time or the start of a hash. See: almanac list"
            )
        return refs[0]

    def add_tombstone(self, ref: Ref, *, at: datetime, by: str, reason: str) -> bool:
        """Write a tombstone; say whether there was none."""
        content = canonical({"forgotten_at": at.isoformat(), "forgotten_by": by, "reason": reason})
        return self.repository.store.create(_beside("forgotten", ref), content)

    def remove_tombstone(self, ref: Ref) -> None:
        """Take a tombstone away: the snapshot is there again, unless it was swept."""
        self.repository.store.remove(_beside("forgotten", ref))

    def tombstones(self) -> tuple[Tombstone, ...]:
        """All tombstones, also of snapshots that were swept."""
        return tuple(self._tombstone(ref) for ref in sorted(self._parsed("forgotten")))

    def tombstone_refs(self) -> frozenset[Ref]:
        """The snapshots with a tombstone, also those that were swept."""
        return frozenset(self._parsed("forgotten"))

    def hold(self, ref: Ref, *, at: datetime, by: str, reason: str) -> None:
        """Keep a snapshot whatever the policy says."""
        content = canonical({"held_at": at.isoformat(), "held_by": by, "reason": reason})
        self.repository.store.create(_beside("holds", ref), content)

    def release(self, ref: Ref) -> None:
        """End a hold."""
        self.repository.store.remove(_beside("holds", ref))

    def held(self) -> frozenset[Ref]:
        """The snapshots on hold."""
        return frozenset(self._parsed("holds"))

    def _parsed(self, folder: str) -> Iterable[Ref]:
        parsed = (Ref.parse(entry.name) for entry in self.repository.store.list(folder))
        return [ref for ref in parsed if ref is not None]

    def _tombstone(self, ref: Ref) -> Tombstone:
        name = _beside("forgotten", ref)
        try:
            content = parse_json(self.repository.store.read(name, limit=_SMALL).data)
            at = datetime.fromisoformat(content["forgotten_at"])
            if at.tzinfo is None:
                raise ValueError("a time without a zone")
            return Tombstone(ref, at, str(content["forgotten_by"]), str(content["reason"]))
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{self.repository.uri}/{name}: damaged; remove it, then forget the snapshot again"
            ) from error


def _beside(folder: str, ref: Ref) -> str:
    return f"{folder}/{ref.subject}/{ref.name}.json"


def _pointed(data: bytes) -> str:
    try:
        return str(parse_json(data)["manifest"])
    except (ValueError, KeyError, TypeError):
        return ""  # a damaged pointer is behind everything: the next snapshot corrects it
