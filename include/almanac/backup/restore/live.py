"""Restores snapshots to their live locations. Only on request, and never over existing data by accident.

Each member of a group is restored, moved into place and verified, one after the other; progress is recorded on disk
(`almanac.backup.restore.progress`). One that cannot be restored does not keep the others from it.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from almanac.backup.restore.placement import check, clear, put, send, stage, staged_name
from almanac.backup.restore.progress import RestoreMember, RestoreProgress, Step
from almanac.backup.restore.restore import Restored
from almanac.backup.restore.targets import NoTargetError, check_free, server_of, targets_of
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.facts import database_facts, inside
from almanac.backup.store.keys import CONNECTION, key_file
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.subjects.postgres import check_rows, is_empty, load
from almanac.backup.subjects.sqlite import move_artifacts
from almanac.backup.tiers.archive_restore import restore_from_archive
from almanac.config.connection import find_connection
from almanac.config.credentials import private_folder, write_private
from almanac.config.home import Home
from almanac.errors import AlmanacError, ConfigError, IntegrityError, TransientError
from almanac.failpoints import failpoint
from almanac.journal.schema import describe
from almanac.journal.upgrade import upgrade_journal
from almanac.storage.locks import locked

log = logging.getLogger(__name__)


def members(repository: BackupRepository, ref: Ref) -> list[Ref]:
    """The snapshots of a group, databases first; of anything else the snapshot itself."""
    manifest = Catalogue(repository).read(ref)
    return list(dict.fromkeys(one.ref for one in manifest.members)) or [ref]


def restore_live(repository: BackupRepository, ref: Ref, home: Home, *, replace: bool = False) -> list[str]:
    """Restore a snapshot, or each of a group, to the installation's own places; say where.

    After an interruption it continues where it stopped.

    Args:
        repository: where the snapshot is.
        ref: which.
        home: where it belongs.
        replace: move what is there aside, to `<name>.before-<time>`; False: refuse.

    Raises:
        ConfigError: something is there already, or the snapshot does not say where it belongs; nothing was touched.
        IntegrityError, TransientError: some could not be restored; says which, and that the others are in place.
    """
    private_folder(home.home / "restores")
    with locked(home.home / "restores" / "lock", lambda: None, timeout_s=0.0):
        return _Restore(repository, ref, home, replace).run()


@dataclass
class _Restore:
    """One restore of a snapshot or of a group."""

    repository: BackupRepository
    ref: Ref
    home: Home
    replace: bool
    failed: dict[Ref, AlmanacError] = field(default_factory=dict)

    def run(self) -> list[str]:
        """All members; each failure is kept, and the others go on."""
        self.progress = RestoreProgress.of(self.home, self.ref, now=datetime.now(UTC))
        refs = members(self.repository, self.ref)
        manifests = self._readable(refs)
        self._check_free(manifests)  # all are looked at before the first is touched
        lines_of: dict[Ref, tuple[str, ...]] = {}
        for ref, manifest in manifests.items():
            try:
                lines_of[ref] = self._member(ref, manifest)
            except AlmanacError as error:
                self.failed[ref] = error
        if self.failed:
            raise self._failure(refs, lines_of)
        upgraded = self._upgrade_journal(manifests)
        self.progress.end()
        return [*(line for ref in refs for line in lines_of[ref]), *upgraded, *self._keep_key()]

    def _upgrade_journal(self, manifests: dict[Ref, Manifest]) -> list[str]:
        """A snapshot of an older release brings the tables of that release; the snapshot itself is their backup."""
        if not any(ref.subject == "database/journal" for ref in manifests):
            return []
        done = upgrade_journal(self.home.journal_url, back_up=lambda: None)
        return [f"the journal is upgraded from {describe(done.before)} to {describe(done.after)}"] * done.changed

    def _readable(self, refs: list[Ref]) -> dict[Ref, Manifest]:
        """The manifests of those members that can be restored here."""
        found: dict[Ref, Manifest] = {}
        for ref in refs:
            try:
                manifest = Catalogue(self.repository).read(ref)
                targets_of(self.home, manifest)
                found[ref] = manifest
            except (IntegrityError, NoTargetError) as error:
                self.failed[ref] = error
        return found

    def _check_free(self, manifests: dict[Ref, Manifest]) -> None:
        for ref, manifest in manifests.items():
            known = self.progress.member(ref)
            if known is not None and (known.step is Step.DONE or self._is_remote(manifest)):
                continue
            try:
                url = server_of(self.home, manifest)
                if known is not None:
                    continue
                if url is not None and not is_empty(url):
                    raise ConfigError(
                        f"{url.host}:{url.port}/{url.database}: is not empty, and a database on a server is not moved"
                        " aside. Rename it (ALTER DATABASE ... RENAME TO ...), create an empty one, then restore again"
                    )
                check_free(targets_of(self.home, manifest), self.replace, self.home.tracking_uri)
            except TransientError as error:  # said again when its turn comes, and not before the others had theirs
                log.warning("%s: %s", ref, error)

    def _is_remote(self, manifest: Manifest) -> bool:
        return any(target.local is None for target in targets_of(self.home, manifest))

    def _member(self, ref: Ref, manifest: Manifest) -> tuple[str, ...]:
        targets, known = targets_of(self.home, manifest), self.progress.member(ref)
        if known is not None and known.step is Step.DONE:
            if all(target.local is None or os.path.lexists(target.local) for target in targets):
                return known.said
            known = None  # somebody has removed it since
        if known is None or known.step is Step.BEGUN:
            known = self._bring(ref, manifest)
        self._place(ref, manifest, known)
        url = server_of(self.home, manifest)
        lines = [f"{ref} is in {target.uri}" for target in targets]
        if url is not None:
            lines = [f"{ref} is loaded into {url.host}/{url.database}"]
        done = RestoreMember(Step.DONE, said=tuple(lines))
        self.progress.set(ref, done)
        failpoint("restore_done", ref.subject.replace("/", "-"))
        return done.said

    def _place(self, ref: Ref, manifest: Manifest, staged: RestoreMember) -> None:
        """Move what is staged into place, and verify it."""
        targets = targets_of(self.home, manifest)
        for target in targets:
            if target.local is not None:
                name = Path(staged.staged[target.uri])
                put(name, target.local, replace=self.replace, begun=self.progress.begun)
        failpoint("restore_put", ref.subject.replace("/", "-"))
        try:
            for target in targets:
                check(manifest, target, self.home.tracking_uri)
        except IntegrityError:  # the next try restores it again; existing data then block it, with a message
            self.progress.set(ref, RestoreMember(Step.BEGUN, staged.staged))
            raise

    def _bring(self, ref: Ref, manifest: Manifest) -> RestoreMember:
        """Restore files beside their targets, to their store, or into their database."""
        targets = targets_of(self.home, manifest)
        local = ((target.uri, target.local) for target in targets)
        staged = {uri: str(staged_name(path, ref.sha256[:12])) for uri, path in local if path is not None}
        self.progress.set(ref, RestoreMember(Step.BEGUN, staged))
        with self._files(ref) as restored:
            failpoint("restore_files", ref.subject.replace("/", "-"))
            self._load(restored)
            self._move_artifacts(restored)
            for target in targets:
                source = inside(restored.folder, target.path) if target.path else restored.folder
                if not source.exists():
                    raise IntegrityError(f"{ref}: holds no {target.path}; do not trust it, take another snapshot")
                if target.local is None:
                    send(source, target, self.home.tracking_uri)
                else:
                    stage(source, target.local, Path(staged[target.uri]))
        member = RestoreMember(Step.STAGED, staged)
        self.progress.set(ref, member)
        failpoint("restore_staged", ref.subject.replace("/", "-"))
        return member

    @contextmanager
    def _files(self, ref: Ref) -> Iterator[Restored]:
        """The files of a snapshot, each checked; what an earlier try left goes, and nothing stays."""
        folder = self.home.scratch / "restore-live"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield restore_from_archive(self.repository, ref, folder / "files", clock=lambda: datetime.now(UTC))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _load(self, restored: Restored) -> None:
        url = server_of(self.home, restored.manifest)
        if url is None:
            return
        dump = restored.folder / f"{restored.ref.subject.split('/')[1]}.dump"
        if not dump.is_file():
            raise IntegrityError(f"{restored.ref}: holds no {dump.name}; do not trust it, take another snapshot")
        if is_empty(url):
            load(dump, url)
        facts = database_facts(restored.manifest)
        check_rows(url, facts.tables, session=facts.session)  # also of one that was loaded before we were killed

    def _move_artifacts(self, restored: Restored) -> None:
        if restored.ref.subject != "database/mlflow":
            return
        root = database_facts(restored.manifest).artifact_root
        path = restored.folder / "mlflow.db"
        if root and root != self.home.artifacts and path.is_file():
            moved = move_artifacts(path, root, self.home.artifacts)
            log.info("%s rows of MLflow now name %s", moved, self.home.artifacts)

    def _keep_key(self) -> list[str]:
        """A whole installation goes on with the key of its snapshots: it would make another one, and sign with that."""
        path = key_file(self.home)
        if not self.ref.subject.startswith("group/") or self.repository.key is None:
            return []
        if path.exists() or find_connection(CONNECTION) is not None:
            return []
        private_folder(path.parent)
        write_private(path, self.repository.key.text + "\n")
        return [f"the key of the backups is kept in {path}"]

    def _failure(self, refs: list[Ref], lines_of: dict[Ref, tuple[str, ...]]) -> AlmanacError:
        if len(refs) == 1:
            return self.failed[refs[0]]
        errors = self.failed.values()
        kind: type[AlmanacError] = ConfigError
        if any(isinstance(error, IntegrityError) for error in errors):
            kind = IntegrityError
        elif all(isinstance(error, TransientError) for error in errors):
            kind = TransientError
        lines = [f"{self.ref}: {len(self.failed)} of {len(refs)} snapshots could not be restored:"]
        lines += [f"  NOT BACK  {ref}: {error}" for ref, error in self.failed.items()]
        lines += [f"  is back   {line}" for ref in refs for line in lines_of.get(ref, ())]
        lines.append(
            "Correct what is named, then run the same command again: it continues with what is not back. What is"
            " damaged may be intact in the secondary repository (--second), or in an older snapshot; to stop at what is"
            f" back: ./almanac restore {self.ref} --live --give-up"
        )
        return kind("\n".join(lines))


def give_up(home: Home, ref: Ref) -> list[str]:
    """Leave a restore at what is back: its record goes, and what was only beside its place.

    Returns:
        In words, what is back and what is not; none when nothing was begun.
    """
    progress = RestoreProgress.of(home, ref, now=datetime.now(UTC))
    lines: list[str] = []
    for name, member in progress.members.items():
        for staged in member.staged.values():
            clear(Path(staged))
        lines += member.said or [f"{name} is not back"]
    progress.end()
    return lines


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A folder for what is restored only to be looked at; it goes at the end."""
    folder = parent / f"restore-{token_hex(4)}"
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
