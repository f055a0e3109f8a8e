"""What is backed up, how old and how well proven it is, where it lies: the figures of the backup page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.backup.coverage import CoverageGap, lines_of
from almanac.backup.installation import BackupRepositories
from almanac.backup.retention.protected import NOBODY, Protected
from almanac.backup.snapshot.missing import missing_snapshots
from almanac.backup.snapshot.replicate import worst_lag
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers.archive_request import ArchiveRequest, archive_requests
from almanac.backup.tiers.plan import Holding, holdings
from almanac.backup.tiers.port import Tier
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.errors import AlmanacError, IntegrityError
from almanac.journal.file_checks import CheckState, FileChecks
from almanac.journal.journal import Journal
from almanac.journal.records import DrillRecord

_DRILLS = 20


@dataclass(frozen=True)
class SubjectState:
    """One subject of a repository.

    Attributes:
        subject: whose snapshots.
        snapshots: how many there are.
        newest: the newest one.
        age: of the newest one: so much is lost if everything is lost now (RPO).
        files: of the newest one.
        size_bytes: of the newest one, plain.
        damage: why its manifest cannot be read; empty: it can.
        proven: the last good drill.
        is_late: that one is older than declared.
    """

    subject: str
    snapshots: int
    newest: Ref
    age: timedelta
    files: int
    size_bytes: int
    damage: str
    proven: DrillRecord | None
    is_late: bool


@dataclass(frozen=True)
class RepositoryState:
    """One place; `fault` says why nothing is known of it."""

    uri: str
    fault: str = ""
    subjects: tuple[SubjectState, ...] = ()
    tiers: Mapping[Tier, Holding] | None = None
    waiting: tuple[tuple[Ref, datetime, str], ...] = ()
    archive_requests: tuple[ArchiveRequest, ...] = ()
    missing: tuple[Ref, ...] = ()


@dataclass(frozen=True)
class BackupReport:
    """Everything that the page shows.

    Attributes:
        at: when it was looked.
        repositories: the first and, if there is one, the second.
        lag: how far the second is behind; None without one, or when it is not known.
        drills: the newest ones, also those that were meant to fail.
        settings: what is declared.
        checks: how well the live files are known to be whole.
        protected: the models whose data is kept, and why declarations cannot be read.
        gaps: what is not backed up or not proven.
    """

    at: datetime
    repositories: tuple[RepositoryState, ...]
    lag: timedelta | None
    drills: tuple[DrillRecord, ...]
    settings: InstallationBackup
    checks: tuple[CheckState, ...] = ()
    protected: Protected = NOBODY
    gaps: tuple[CoverageGap, ...] = ()

    @property
    def problems(self) -> list[str]:
        """What a person should attend to, in words; none: all is well."""
        found = [f"{problem} Nothing is deleted until it is corrected." for problem in self.protected.problems]
        for repository in self.repositories:
            found += [f"{repository.uri}: {repository.fault}"] if repository.fault else []
            found += [f"{ref} is missing from {repository.uri}" for ref in repository.missing]
            found += [f"{one.subject}: {one.damage}" for one in repository.subjects if one.damage]
        found += lines_of([gap for gap in self.gaps if gap.overdue])
        found += [f"{one.subject}: {line}: almanac repair {one.subject}" for one in self.checks for line in one.damaged]
        newest = {(drill.subject, drill.meant_to_fail): drill for drill in reversed(self.drills)}
        found += [f"{drill.subject}: its last drill failed" for drill in newest.values() if not drill.passed]
        return found

    @property
    def pending(self) -> list[str]:
        """What is missing, and not yet for longer than declared."""
        return lines_of([gap for gap in self.gaps if not gap.overdue])


def make_report(
    repositories: BackupRepositories,
    journal: Journal,
    settings: InstallationBackup,
    protected: Protected = NOBODY,
    *,
    now: datetime,
    gaps: Sequence[CoverageGap] = (),
) -> BackupReport:
    """Look at the repositories; one that is away is named, the rest is shown.

    Args:
        repositories: of the installation.
        journal: knows drills, and what was there.
        settings: what is declared.
        protected: whose data is kept.
        now: the time.
        gaps: what is not backed up or not proven; see `almanac.backup.survey`.

    Raises:
        TransientError: the journal is unreachable.
    """
    drills = journal.drills()
    states = tuple(_repository(repository, journal, drills, settings, now) for repository in repositories.all())
    known = repositories.second is not None and not any(state.fault for state in states)
    lag = worst_lag(repositories.first, repositories.second) if known and repositories.second is not None else None
    checks = tuple(FileChecks(journal).states(now))
    newest = tuple(drills[:_DRILLS])
    return BackupReport(now, states, lag, newest, settings, checks, protected, tuple(gaps))


def _repository(
    repository: BackupRepository,
    journal: Journal,
    drills: Sequence[DrillRecord],
    settings: InstallationBackup,
    now: datetime,
) -> RepositoryState:
    try:
        catalogue, grace = Catalogue(repository), settings.retention.grace
        refs = catalogue.refs(forgotten=True)
        tombstones = [tombstone for tombstone in catalogue.tombstones() if tombstone.ref in refs]
        dead = {tombstone.ref for tombstone in tombstones}
        living = [ref for ref in refs if ref not in dead]
        stored = [(one.tier, one.size_bytes) for one in repository.store.tiers().stored()]
        return RepositoryState(
            repository.uri,
            subjects=tuple(_subject(catalogue, group, drills, settings, now) for group in _by_subject(living)),
            tiers=holdings(stored, settings.tiers),
            waiting=tuple(
                (tombstone.ref, tombstone.forgotten_at + grace, tombstone.reason) for tombstone in tombstones
            ),
            archive_requests=tuple(archive_requests(repository)),
            missing=tuple(missing_snapshots(repository, journal)),
        )
    except AlmanacError as error:
        return RepositoryState(repository.uri, fault=str(error))


def _by_subject(refs: Sequence[Ref]) -> list[list[Ref]]:
    return [[ref for ref in refs if ref.subject == subject] for subject in sorted({ref.subject for ref in refs})]


def _subject(
    catalogue: Catalogue,
    refs: Sequence[Ref],
    drills: Sequence[DrillRecord],
    settings: InstallationBackup,
    now: datetime,
) -> SubjectState:
    newest = refs[-1]
    good = (drill for drill in drills if drill.subject == newest.subject and drill.passed and not drill.meant_to_fail)
    proven = next(good, None)  # the newest first
    since = proven.drilled_at if proven else refs[0].created
    files, size, damage = 0, 0, ""
    try:
        manifest = catalogue.read(newest)
        files, size = len(manifest.files), manifest.size
    except IntegrityError as error:
        damage = str(error)
    is_late = since + settings.drills.max_age < now
    return SubjectState(newest.subject, len(refs), newest, now - newest.created, files, size, damage, proven, is_late)
