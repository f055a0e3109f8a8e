"""What is not backed up, or not drilled, by name. Page, command line, `doctor` and alerts all use `find_gaps`."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from almanac.backup.drill.drills import DISASTER
from almanac.backup.installation import databases, exists
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.errors import AlmanacError, IntegrityError
from almanac.journal import publications
from almanac.journal.backup_times import first_snapshot, snapshot_times
from almanac.journal.journal import Journal

log = logging.getLogger(__name__)

EVERYTHING = "group/all"


@dataclass(frozen=True)
class CoverageGap:
    """One subject that is not backed up or not proven.

    Attributes:
        subject: which.
        kind: snapshot: there is none, or none that is young enough; drill: none has proven it lately.
        words: what is missing.
        overdue: it is missing for longer than is declared: an alarm.
        last: when there was one; None: never.
    """

    subject: str
    kind: Literal["snapshot", "drill"]
    words: str
    overdue: bool
    last: datetime | None = None


@dataclass(frozen=True)
class RepositorySnapshots:
    """The snapshots of a repository.

    Attributes:
        first, newest: when the oldest and the newest snapshot of each subject were taken.
        members: the subjects of the newest snapshot of everything; None: not known.
    """

    first: Mapping[str, datetime] = field(default_factory=dict)
    newest: Mapping[str, datetime] = field(default_factory=dict)
    members: frozenset[str] | None = None


def find_gaps(
    live: Mapping[str, datetime],
    taken: RepositorySnapshots,
    proven: Mapping[str, datetime],
    settings: InstallationBackup,
    *,
    now: datetime,
    disaster_max_age: timedelta | None = None,
    second: RepositorySnapshots | None = None,
) -> tuple[CoverageGap, ...]:
    """Everything that is missing; what is missing for longer than declared is overdue.

    Args:
        live: what exists and can be lost, since when.
        taken: the snapshots of the primary repository.
        proven: when the last good drill of each subject was.
        settings: what is declared.
        now: aware.
        disaster_max_age: how old the last drill of the loss of the whole machine may be; None: none is played here.
        second: the snapshots of the secondary repository; None: there is none, or it cannot be asked.
    """
    gaps = [
        CoverageGap(subject, "snapshot", "no snapshot", now - since > settings.max_age)
        for subject, since in sorted(live.items())
        if subject not in taken.newest
    ]
    gaps += _of_everything(live, taken, settings.max_age, now)
    if second is not None:
        missing = (subject for subject in sorted(taken.first) if subject not in second.newest)
        gaps += [
            CoverageGap(
                one, "snapshot", "no snapshot in the secondary repository", now - taken.first[one] > settings.max_age
            )
            for one in missing
        ]
    limits = dict.fromkeys(taken.first, settings.drills.max_age)
    first = dict(taken.first)
    if disaster_max_age is not None and EVERYTHING in first:
        first[DISASTER], limits[DISASTER] = first[EVERYTHING], disaster_max_age
    return (*gaps, *_unproven(first, limits, proven, now))


def _of_everything(
    live: Mapping[str, datetime], taken: RepositorySnapshots, max_age: timedelta, now: datetime
) -> Iterable[CoverageGap]:
    """The snapshot that ties all others: whether there is one, how old it is, whom it leaves out."""
    newest = taken.newest.get(EVERYTHING)
    if newest is None:
        since = min([*live.values(), *taken.first.values()], default=None)
        if since is not None:
            yield CoverageGap(EVERYTHING, "snapshot", "no snapshot", now - since > max_age)
        return
    if now - newest > max_age:
        yield CoverageGap(EVERYTHING, "snapshot", "no snapshot that is young enough", True, newest)
    for subject in sorted(live) if taken.members is not None else ():
        if taken.first.get(subject, now) < newest and subject not in (taken.members or ()):
            late = now - taken.newest[subject] > max_age
            yield CoverageGap(
                subject, "snapshot", "not in the newest snapshot of everything", late, taken.newest[subject]
            )


def _unproven(
    first: Mapping[str, datetime], limits: Mapping[str, timedelta], proven: Mapping[str, datetime], now: datetime
) -> Iterable[CoverageGap]:
    for subject, since in sorted(first.items()):
        last = proven.get(subject)
        if last is None:
            yield CoverageGap(subject, "drill", "never restored by a drill", now - since > limits[subject])
        elif now - last > limits[subject]:
            yield CoverageGap(subject, "drill", "last restored by a drill too long ago", True, last)


def lines_of(gaps: Sequence[CoverageGap]) -> list[str]:
    """The gaps in words, one line for each thing that is wrong, with the names of all that it is about."""
    by_words: dict[str, list[str]] = {}
    for gap in gaps:
        by_words.setdefault(gap.words, []).append(gap.subject)
    return [f"{words}: {', '.join(subjects)}" for words, subjects in by_words.items()]


def live_subjects(home: Home, models: Sequence[str], journal: Journal, now: datetime) -> dict[str, datetime]:
    """What of an installation exists and can be lost, and since when as far as the journal knows; else since now.

    Args:
        home: where it is.
        models: the names of all.
        journal: knows since when.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    found: dict[str, datetime | None] = {}
    for name in models:
        published, moved = publications.first_published(journal, name), journal.first_alias_move(name)
        if moved is not None:
            found[f"model/{name}"] = moved
        if _is_table(home.dataset_of(name)):
            found[f"dataset/{name}"] = published
        tables = (home.predictions_of(name), home.quarantined_rows_of(name))
        folders = (home.quarantined_files_of(name), home.reports_of(name))
        if any(map(_is_table, tables)) or any(map(_holds_files, folders)):
            found[f"outputs/{name}"] = published
    signs = [since for since in found.values() if since is not None]
    signs += [since for since in (first_snapshot(journal),) if since is not None]
    there = {f"database/{name}": None for name, url in databases(home).items() if exists(url)}
    oldest = min(signs, default=now)
    return {subject: since or oldest for subject, since in (found | there).items()}


def _is_table(uri: str) -> bool:
    """Whether there is a table; one whose log is damaged wants a snapshot all the more."""
    from almanac.data.table.delta_table import open_table

    try:
        return open_table(uri) is not None
    except IntegrityError:
        return True
    except AlmanacError as error:  # an unreachable store is reported by the tasks that use it
        log.warning("%s: cannot tell whether it must be backed up: %s", uri, error)
        return False


def _holds_files(folder: str) -> bool:
    from almanac.storage.listing import list_files

    try:
        return bool(list_files(folder, ["*"], lenient=True))
    except AlmanacError as error:
        log.warning("%s: cannot tell whether it must be backed up: %s", folder, error)
        return False


def taken_of(repository: BackupRepository) -> RepositorySnapshots | None:
    """The snapshots of a repository; None when it cannot be asked, which is reported by the tasks that use it."""
    try:
        catalogue = Catalogue(repository)
        refs = catalogue.refs()
        return _taken(((ref.subject, ref.created) for ref in refs), _members(catalogue, refs))
    except AlmanacError as error:
        log.warning("%s: cannot tell what is backed up there: %s", repository.uri, error)
        return None


def taken_by_journal(journal: Journal) -> RepositorySnapshots:
    """The snapshots that the journal knows.

    Raises:
        TransientError: the journal is unreachable.
    """
    times = snapshot_times(journal)
    first, newest = ({subject: pair[place] for subject, pair in times.items()} for place in (0, 1))
    return RepositorySnapshots(first, newest)


def _taken(found: Iterable[tuple[str, datetime]], members: frozenset[str] | None) -> RepositorySnapshots:
    first: dict[str, datetime] = {}
    newest: dict[str, datetime] = {}
    for subject, at in found:
        first[subject] = min(at, first.get(subject, at))
        newest[subject] = max(at, newest.get(subject, at))
    return RepositorySnapshots(first, newest, members)


def _members(catalogue: Catalogue, refs: Sequence[Ref]) -> frozenset[str] | None:
    groups = [ref for ref in refs if ref.subject == EVERYTHING]
    try:
        return frozenset(one.subject for one in catalogue.read(groups[-1]).members) if groups else None
    except IntegrityError:  # told as damage
        return None
