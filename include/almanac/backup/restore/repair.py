"""Puts damaged and missing files back from the newest snapshots that have them, byte for byte; no other is touched."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from almanac.backup.restore.live import scratch
from almanac.backup.restore.restore import restore_file
from almanac.backup.snapshot.live_files import (
    GONE,
    LiveFile,
    Subject,
    check_subject_name,
    problem_of,
)
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import FileEntry
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.data.table.data_files import decode_problem
from almanac.data.table.delta_log import HINT, LOG, commit_file, hash_commit, is_commit, log_problems
from almanac.data.table.delta_table import open_table
from almanac.errors import AlmanacError, DataError, DataLossError
from almanac.journal.file_checks import FileChecks
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.journal.table_marks import TableMark, TableMarks
from almanac.registry.served_artifacts import is_served, put_files
from almanac.storage.files import move_file, read_bytes, remove
from almanac.storage.listing import list_files

log = logging.getLogger(__name__)
_FLIPPED = 16  # bytes of a commit that may differ for it to be the same one, damaged
_OF_MODEL = ("dataset", "outputs", "model")
_SNAPSHOT_OF = {"predictions": "outputs", "quarantine": "outputs"}  # of what tables are called in other messages
_TABLE_OF = {"": "dataset", "predictions/": "predictions", "quarantine/rows/": "quarantine"}


@dataclass
class RepairedSubject:
    """What became of one subject.

    Attributes:
        subject: which.
        files: how many were compared.
        repaired: path and fault of what was put back; in a dry run, of what can be.
        left: path and fault of what no snapshot could repair.
    """

    subject: str
    files: int = 0
    repaired: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def repair_subjects(
    home: Home, repository: BackupRepository, names: Sequence[str], *, dry_run: bool = False
) -> list[RepairedSubject]:
    """Compare every live file of these subjects with snapshots and the tables' logs, and repair what differs.

    Args:
        home: where the files are.
        repository: has the snapshots.
        names: subjects, tables, or models for all of theirs.
        dry_run: only say what is damaged.

    Raises:
        DataError: there is no such subject.
        IntegrityError: a manifest is damaged.
        TransientError: a store is unreachable.
    """
    subjects = list(dict.fromkeys(one for name in names for one in _subjects_of(repository, name)))
    with scratch(home.scratch) as folder:
        return [
            _Repair(home, Subject(home, repository, name), repository, folder / "file", dry_run).run()
            for name in subjects
        ]


def record_repair(
    journal: Journal, done: Iterable[RepairedSubject], *, run: RunRef, reason: str, now: datetime
) -> None:
    """Write down who has put what back, and what is still damaged.

    Raises:
        TransientError: the journal is unreachable.
    """
    for one in done:
        FileChecks(journal).settle(one.subject, one.left)
        if one.repaired or one.left:
            figures = {"mended": float(len(one.repaired)), "left": float(len(one.left))}
            reasons = (reason, *one.repaired[:50], *(f"left: {line}" for line in one.left[:50]))
            model = one.subject.partition("/")[2]
            journal.record_decision(
                Decision(
                    model, DecisionKind.REPAIR, not one.left, reasons, now, run, subject=one.subject, figures=figures
                )
            )


def _subjects_of(repository: BackupRepository, name: str) -> list[str]:
    kind, slash, model = name.partition("/")
    if slash:
        return [check_subject_name(f"{_SNAPSHOT_OF.get(kind, kind)}/{model}")]
    known = set(Catalogue(repository).subjects())
    found = [subject for kind in _OF_MODEL if (subject := f"{kind}/{name}") in known]
    if not found:
        raise DataError(f"{repository.uri}: no snapshot of {name!r}; there are {', '.join(sorted(known)) or 'none'}")
    return found


class _Repair:
    """The repair of one subject; `spare` is a path of this machine for one file at a time."""

    def __init__(self, home: Home, subject: Subject, repository: BackupRepository, spare: Path, dry_run: bool) -> None:
        self.home, self.subject, self.repository, self.spare, self.dry_run = home, subject, repository, spare, dry_run
        self.done = RepairedSubject(subject.name)

    def run(self) -> RepairedSubject:
        """Compare and repair everything."""
        for prefix, uri in self.subject.tables().items():
            self._table(prefix, uri)
        for file in self.subject.other_files():
            self._repair(file)
        return self.done

    def _table(self, prefix: str, uri: str) -> None:
        if not list_files(f"{uri}/{LOG}", ["*"]):
            if self.subject.entries(prefix):
                what = f"almanac restore {self.subject.name} --live"
                self.done.left.append(f"{uri}: there is no table; is its disk mounted? If it is: {what}")
            return
        mark = self._mark(prefix)
        for file in self.subject.commits(prefix, uri, until=None if mark is None else mark.version):
            self._repair_commit(file)
        self._repair_checkpoint(uri)
        self._look_at_mark(uri, mark)
        try:
            files = list(self.subject.data_files(prefix, uri))
        except (DataError, DataLossError) as error:
            self.done.left.append(f"{error}")
            return
        for file in files:
            self._repair(file)

    def _mark(self, prefix: str) -> TableMark | None:
        """What the journal knows of the table, which need not be there."""
        kind = _TABLE_OF.get(prefix) if self.subject.kind != "shadow" else "shadow"
        if kind is None:  # a forecast's results and versions have none
            return None
        try:
            return TableMarks(Journal(self.home.journal_url)).find(f"{kind}/{self.subject.model}")
        except AlmanacError as error:
            log.warning("the journal cannot be read for the tables' newest versions: %s", error)
            return None

    def _look_at_mark(self, uri: str, mark: TableMark | None) -> None:
        """A commit that is younger than the newest snapshot is known to nobody but the mark."""
        if mark is None or any(commit_file(mark.version) in line for line in (*self.done.repaired, *self.done.left)):
            return
        found = hash_commit(uri, mark.version)
        if found is None or (mark.commit_sha256 and found != mark.commit_sha256):
            what = "is gone" if found is None else "is another one"
            self.done.left.append(
                f"{uri}/{commit_file(mark.version)}: {what}, which {mark.source} knows; no snapshot has it. Restore"
                f" the whole table, or accept the loss: almanac accept {mark.name} --reason '...'"
            )

    def _repair_commit(self, file: LiveFile) -> None:
        """A commit that is there and whole is only replaced by what is known to be the same commit."""
        problem = problem_of(file, self.home.tracking_uri)
        if problem and problem != GONE and file.entry is not None and not self._is_same_commit(file):
            self.done.files += 1
            self.done.left.append(
                f"{file.path}: differs from the snapshot's commit, and is intact; decide which one is right:"
                f" almanac restore {self.subject.name} --live --replace, or almanac accept"
            )
            return
        self._repair(file, problem)

    def _is_same_commit(self, file: LiveFile) -> bool:
        """Whether the file is the snapshot's commit, damaged: not JSON, or nearly the same bytes."""
        content = read_bytes(file.uri)
        if not is_commit(content) or file.entry is None:
            return True
        restore_file(self.repository, file.entry, self.spare)
        try:
            known = self.spare.read_bytes()
            flipped = sum(map(int.__ne__, content, known)) if len(content) == len(known) else _FLIPPED + 1
            return flipped <= _FLIPPED or _commit_info(content) == _commit_info(known) is not None
        finally:
            self.spare.unlink()

    def _repair_checkpoint(self, uri: str) -> None:
        """A checkpoint says nothing that the commits do not say: a damaged one is made again from them."""
        found = list_files(f"{uri}/{LOG}", ["*.checkpoint*.parquet"])
        damaged = [file.uri for file in found if decode_problem(file.uri)]
        problems = log_problems(uri)
        hinted = [problem for problem in problems if "checkpoint" in problem]
        lost = [problem for problem in problems if "checkpoint" not in problem]
        self.done.left += [problem for problem in lost if not self.dry_run]
        if not damaged and not hinted:
            return
        words = f"{LOG}: a checkpoint is damaged or missing"
        if lost:
            self.done.left.append(f"{words}, and commits are, too")
            return
        if not self.dry_run:
            for one in (*damaged, f"{uri}/{HINT}"):
                remove(one)
            open_table(uri).create_checkpoint()
        self.done.repaired.append(f"{words}; it is rebuilt from the commits")

    def _repair(self, file: LiveFile, problem: str | None = None) -> None:
        self.done.files += 1
        problem = problem_of(file, self.home.tracking_uri) if problem is None else problem
        if not problem:
            return
        line = f"{file.path}: {problem}"
        if file.entry is None:
            self.done.left.append(f"{line}; no snapshot has it")
            return
        try:
            if not self.dry_run:
                self._put(file, file.entry)
        except AlmanacError as error:
            self.done.left.append(f"{line}; {error}")
            return
        self.done.repaired.append(line)

    def _put(self, file: LiveFile, entry: FileEntry) -> None:
        target = self.spare.parent / "served" / file.name if is_served(file.root) else self.spare
        restore_file(self.repository, entry, target)
        if is_served(file.root):
            put_files(self.spare.parent / "served", file.root, self.home.tracking_uri)
            target.unlink()
        else:
            move_file(target, file.uri)
        if again := problem_of(file, self.home.tracking_uri):
            raise DataLossError(f"put back, and it {again}: is this disk damaged?")


def _commit_info(content: bytes) -> object:
    """What a commit says of itself: who made it, and when."""
    found = [line["commitInfo"] for line in map(json.loads, content.splitlines()) if "commitInfo" in line]
    return (found[0].get("timestamp"), found[0].get("commit_id")) if found else None
