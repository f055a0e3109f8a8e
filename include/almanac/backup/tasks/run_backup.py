"""Scheduled backups: opened from the settings, recorded in the journal, summarised as plain JSON."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from almanac.backup.installation import BackupRepositories, open_repositories
from almanac.backup.retention.protected import last_installation, note_declared, protected_models
from almanac.backup.snapshot.backup import BackupRun
from almanac.backup.snapshot.journal_rows import record_drills, record_taken
from almanac.backup.snapshot.writer import WrittenSnapshot
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Maker
from almanac.config.home import Home
from almanac.errors import AlmanacError, DamagedDatabaseError, IntegrityError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.store import Registry

log = logging.getLogger(__name__)

_NOTHING = {"snapshot": "", "new": False, "files": 0, "members": 0, "size_bytes": 0, "new_bytes": 0}
_BROKEN = "The existing data were backed up as last declared. Nothing is deleted until this is corrected."


def run_backup(
    home: Home,
    subjects: Sequence[str],
    *,
    run: RunRef,
    given_key: str = "",
    version: str = "",
    reason: str = "",
    folders: Mapping[str, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Take snapshots of subjects and folders, or of everything as one group when none is named.

    Args:
        home: what of.
        subjects: see `Backup.subject`.
        run: the run.
        given_key: from a connection.
        version: of a model: only this one.
        reason: why; none: what triggered the run.
        folders: any folders, by the names that their snapshots get.

    Returns:
        For each snapshot: its name, files, bytes, and whether it is new. Of everything also a row for each thing that
        could not be taken, with `fault`, and for each that was left out, with `note`; see `report_faults`.

    Raises:
        ConfigError, IntegrityError, TransientError: see `Backup.check`; everything else was taken. Of everything only
            what a retry may correct.
    """
    repository = repositories_of(home, given_key).first
    maker = Maker(dag_id=run.dag_id, run_id=run.run_id, started_by=run.started_by, reason=reason or run.trigger)
    backup = BackupRun(home, repository, maker, Registry.of(home))
    problems: tuple[str, ...] = ()
    chosen = bool(subjects or folders)
    if chosen:
        taken = [*backup.subjects(subjects, version=version), *backup.folders(folders)]
    else:
        found = protected_models(home, Catalogue(repository).subjects())
        taken, problems = [backup.everything(found.models)], found.problems
    try:
        journal = Journal(home.journal_url)
        record_taken(journal, repository.uri, taken, run)
        note_declared(home, journal, run=run, now=datetime.now(UTC))
    except (
        TransientError,
        DamagedDatabaseError,
    ) as error:  # a snapshot that exists must not be taken again because of that
        log.warning("the snapshots are taken, but could not be recorded in the journal: %s", error)
    if chosen or any(isinstance(error, TransientError) for _, error in backup.faults):
        backup.check()
    problems_found = [f"{problem}\n{_BROKEN}" for problem in problems] + backup.problem_texts()
    rows = [_summary(one) for one in taken]
    rows += [{**_NOTHING, "fault": words} for words in problems_found]
    return rows + [{**_NOTHING, "note": words} for words in backup.notes]


def raise_reported_problems(rows: Sequence[Mapping[str, Any]]) -> None:
    """Fail, and so alert, when something could not be backed up, or a declaration cannot be read; the rest was taken.

    Args:
        rows: as `run_backup` gives them.

    Raises:
        IntegrityError: there is something.
    """
    if problems_found := [str(row["fault"]) for row in rows if row.get("fault")]:
        raise IntegrityError("everything else was backed up, but:\n" + "\n".join(problems_found))


def back_up_checkpoints(home: Home, model: str, *, run: RunRef, given_key: str) -> None:
    """A snapshot of the checkpoints of a training, which does not end because there could be none."""
    try:
        run_backup(home, [f"checkpoints/{model}"], run=run, given_key=given_key, reason="a checkpoint")
    except AlmanacError as error:
        log.warning("the checkpoint is on this disk only: %s", error)


def is_due(home: Home, subject: str, *, at_most_every: timedelta, now: datetime) -> bool:
    """Whether the newest snapshot of a subject is old enough for the next one.

    Raises:
        TransientError: the repository is unreachable.
    """
    newest = Catalogue(repositories_of(home, "").first).newest(subject)
    return newest is None or newest.created + at_most_every <= now


def repositories_of(home: Home, given_key: str) -> BackupRepositories:
    """The repositories of the installation, by its settings; if they are invalid, by those that were last read."""
    return open_repositories(home, last_installation(home)[0].backup, given_key=given_key)


def record_drill_results(home: Home, results: Sequence[Any], run: RunRef) -> None:
    """Tell the journal of drills; the place has kept them already."""
    try:
        record_drills(Journal(home.journal_url), results, run)
    except (TransientError, DamagedDatabaseError) as error:
        log.warning("the drill could not be recorded in the journal: %s", error)


def _summary(one: WrittenSnapshot) -> dict[str, Any]:
    return {
        "snapshot": str(one.ref),
        "new": one.written,
        "files": len(one.manifest.files),
        "members": len(one.manifest.members),
        "size_bytes": one.manifest.size,
        "new_bytes": one.bytes_stored,
    }
