"""The restore drill: the newest and one random older snapshot of each subject come back and are used.

It restores into a scratch folder, never into a live location; and it damages a copy and makes sure that this one is
refused: a drill that cannot fail proves nothing.
"""

import random
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from sqlalchemy.engine import URL

from almanac.backup.drill.drills import DrillResult, record
from almanac.backup.drill.functional import use
from almanac.backup.drill.registered import check_registry
from almanac.backup.installation import BackupRepositories
from almanac.backup.restore.live import members, scratch
from almanac.backup.restore.one_home import as_one_home
from almanac.backup.restore.restore import restore
from almanac.backup.snapshot.replicate import replicate
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.facts import folder_of, inside
from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers.archive_request import archived, is_frozen
from almanac.errors import AlmanacError, IntegrityError

_FULL = 5
_SPOILT = 16  # bytes


@dataclass(frozen=True)
class Drill:
    """One drill.

    Args:
        repository: whose snapshots.
        folder: where scratch folders are made; this machine's own.
        random: chooses the older snapshots and the damage.
        servers: PostgreSQL servers by name of the database, on which scratch databases may be made.
        clock: the time.
        trust: load formats that can run code, too.
        types: that the installation's list of estimators lets a pipeline hold.
    """

    repository: BackupRepository
    folder: Path
    random: random.Random
    servers: Mapping[str, URL]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    trust: bool = False
    types: tuple[str, ...] = ()

    def run(self, subjects: Sequence[str] = (), report: Callable[[str], None] = lambda _: None) -> list[DrillResult]:
        """Drill subjects (none: all), then a damaged copy; each result is kept in the repository.

        Args:
            subjects: whose snapshots.
            report: called with each result in words.
        """
        catalogue, archive = Catalogue(self.repository), archived(self.repository)
        results = []
        for subject in subjects or catalogue.subjects():
            for ref in self.chosen(catalogue.refs(subject), archive):
                results.append(self.one(ref))
                report(in_words(results[-1]))
        with_files = [result.ref for result in results if result.passed and not result.subject.startswith("group/")]
        if with_files:
            results.append(self.damaged(self.random.choice(with_files)))
            report(in_words(results[-1]))
        return results

    def one(self, ref: Ref) -> DrillResult:
        """Restore and use one snapshot, or each of a group; a failure is a result, not an exception."""
        started, at = time.monotonic(), self.clock()
        passed, level, lines = True, _FULL, []
        try:
            with scratch(self.folder) as folder:
                lines = self._restore_and_use(ref, folder)
        except AlmanacError as error:
            passed, level, lines = False, 1, [str(error)]
        result = self._result(ref, level, passed, lines, at, time.monotonic() - started)
        record(self.repository, result)
        return result

    def damaged(self, ref: Ref) -> DrillResult:
        """Copy a snapshot, damage the copy, and see that it is refused."""
        started, at = time.monotonic(), self.clock()
        with scratch(self.folder) as folder:
            copy = BackupRepository(LocalStore(folder / "copy"), self.repository.key, older=self.repository.older)
            replicate(self.repository, copy, subjects=[ref.subject])
            path = self._damage(copy, ref)
            try:
                restore(copy, ref, folder / "back")
                passed, lines = False, [f"{path}: was damaged on purpose, and the restore did not notice"]
            except IntegrityError as error:
                passed, lines = path in str(error), [f"a damaged copy of {path} was refused"]
        spent = time.monotonic() - started
        result = self._result(ref, _FULL, passed, lines, at, spent, meant_to_fail=True)
        record(self.repository, result)
        return result

    def chosen(self, refs: Sequence[Ref], archive: Collection[str]) -> list[Ref]:
        """The newest, and a random older one of those that do not lie in the archive."""
        older = self.random.sample(refs[:-1], len(refs) - 1) if len(refs) > 1 else []
        return [*refs[-1:], *islice((ref for ref in older if not self._is_frozen(ref, archive)), 1)]

    def _is_frozen(self, ref: Ref, archive: Collection[str]) -> bool:
        try:
            return is_frozen(self.repository, ref, archive)
        except IntegrityError:
            return False  # drilled, and found damaged

    def _restore_and_use(self, ref: Ref, folder: Path) -> list[str]:
        lines: list[str] = []
        folders: dict[str, Path] = {}
        manifests: dict[str, Manifest] = {}
        for member in members(self.repository, ref):
            where = folder_of(Catalogue(self.repository).read(member))
            restored = restore(self.repository, member, inside(folder, where))
            name = member.subject.split("/")[1]
            server = self.servers.get(name)
            lines += use(restored.folder, restored.manifest, server=server, trust=self.trust, types=self.types)
            folders[where], manifests[where] = restored.folder, restored.manifest
        if ref.subject.startswith("group/"):
            database = as_one_home(folders, manifests, folder)
            lines += [check_registry(database, manifests)] if database else []
        return lines

    def _damage(self, copy: BackupRepository, ref: Ref) -> str:
        """Spoil a few bytes of one object, so that its content is lost; give the path of the file.

        Some bytes of a compressed object can change without changing what is unpacked: then others are spoilt.
        """
        entry = self.random.choice([entry for entry in Catalogue(copy).read(ref).files if entry.stored_size])
        path = Path(copy.uri) / entry.object_name
        before = path.read_bytes()
        spoilt = self._spoilt(before)
        while entry.codec == "zstd" and _unpacked(spoilt) == _unpacked(before):
            spoilt = self._spoilt(before)
        path.write_bytes(spoilt)
        return entry.path

    def _spoilt(self, content: bytes) -> bytes:
        start = min(self.random.randrange(len(content)), max(0, len(content) - _SPOILT))
        middle = bytes(byte ^ 0xFF for byte in content[start : start + _SPOILT])
        return content[:start] + middle + content[start + _SPOILT :]

    def _result(
        self,
        ref: Ref,
        level: int,
        passed: bool,
        lines: Sequence[str],
        at: datetime,
        spent: float,
        *,
        meant_to_fail: bool = False,
    ) -> DrillResult:
        newest = Catalogue(self.repository).newest(ref.subject) or ref
        return DrillResult(
            subject=ref.subject,
            snapshot=ref.name,
            level=level,
            passed=passed,
            said=tuple(lines),
            at=at,
            duration_s=round(spent, 3),
            age_s=round((at - newest.created).total_seconds(), 3),
            place=self.repository.uri,
            meant_to_fail=meant_to_fail,
        )


def repository_in_turn(repositories: BackupRepositories, now: datetime) -> BackupRepository:
    """The primary repository in one week, the second in the next."""
    every = repositories.all()
    return every[now.isocalendar().week % len(every)]


def overdue(
    repositories: BackupRepositories, subjects: Sequence[str], *, max_age: timedelta, now: datetime
) -> list[str]:
    """Subjects whose last good drill, wherever it was, is older than declared, in words."""
    from almanac.backup.drill.drills import last_good

    newest: dict[str, datetime] = {}
    for repository in repositories.all():
        for result in last_good(repository):
            newest[result.subject] = max(result.at, newest.get(result.subject, result.at))
    late = [subject for subject in subjects if subject not in newest or newest[subject] + max_age < now]
    return [
        f"{subject}: last good drill {newest[subject]:%Y-%m-%d %H:%M} UTC"
        if subject in newest
        else f"{subject}: never drilled"
        for subject in late
    ]


def clear_scratch(folder: Path, *, older_than: datetime) -> None:
    """Remove what killed drills and restores left."""
    for left in folder.glob("restore-*"):
        if datetime.fromtimestamp(left.stat().st_mtime, UTC) < older_than:
            shutil.rmtree(left, ignore_errors=True)


def _unpacked(content: bytes) -> bytes | None:
    """What a compressed object holds; None: it cannot be unpacked."""
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(content)
    except zstandard.ZstdError:
        return None


def in_words(result: DrillResult) -> str:
    """One line for people."""
    verdict = "passed" if result.passed else "FAILED"
    kind = "damaged copy refused" if result.meant_to_fail and result.passed else verdict
    return f"{kind:22} {result.ref}  {result.duration_s:.1f} s  {'; '.join(result.said)}"
