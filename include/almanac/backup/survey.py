"""Looks at an installation, its repositories and its journal, and says what is not backed up or not proven."""

from collections.abc import Sequence
from datetime import datetime

from almanac.backup.coverage import CoverageGap, find_gaps, live_subjects, taken_by_journal, taken_of
from almanac.backup.drill.disaster_due import disaster_max_age
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.journal.backup_times import proven_times
from almanac.journal.journal import Journal


def survey(
    home: Home,
    models: Sequence[str],
    journal: Journal,
    repositories: Sequence[BackupRepository],
    settings: InstallationBackup,
    *,
    now: datetime,
) -> tuple[CoverageGap, ...]:
    """What is missing.

    Args:
        home: what exists there can be lost.
        models: the names of all.
        journal: knows drills, and since when something exists.
        repositories: the first and, if there is one, the second; none: they cannot be opened, and the journal is
            believed.
        settings: what is declared.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    taken = taken_of(repositories[0]) if repositories else None
    if taken is None or not taken.newest:  # away, or lost: what was taken is reported as missing
        taken = taken_by_journal(journal)
    return find_gaps(
        live_subjects(home, models, journal, now),
        taken,
        proven_times(journal),
        settings,
        now=now,
        disaster_max_age=disaster_max_age(home, settings.drills),
        second=taken_of(repositories[1]) if len(repositories) > 1 else None,
    )
