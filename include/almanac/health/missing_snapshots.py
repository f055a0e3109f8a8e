"""Missing snapshots: manifests that were there at the last check."""

import logging
from collections.abc import Sequence
from datetime import datetime

from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.backup.installation import open_repositories
from almanac.backup.snapshot.missing import in_words, look
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.config.sections.alerts import Alerts
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.errors import AlmanacError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

log = logging.getLogger(__name__)


def repositories_to_check(home: Home, settings: InstallationBackup) -> tuple[BackupRepository, ...]:
    """The backup repositories; none when they cannot be opened, which the backup itself reports."""
    try:
        return open_repositories(home, settings, write=False).all()
    except AlmanacError as error:
        log.warning("cannot check whether snapshots are missing: %s", error)
        return ()


def report_missing_snapshots(
    notifier: Notifier,
    alerts: Alerts,
    repositories: Sequence[BackupRepository],
    journal: Journal,
    run: RunRef,
    now: datetime,
) -> None:
    """Report once each repository with missing snapshots, and once when it is over.

    Of a repository that is away nothing is known, so nothing begins or ends.

    Args:
        notifier: sends and closes alerts.
        alerts: whom.
        repositories: looked at.
        journal: has the snapshots of earlier checks.
        run: the run of this check.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    for repository in repositories:
        try:
            gone = look(repository, journal, run)
        except TransientError as error:
            log.warning("cannot check whether snapshots are missing: %s", error)
            continue
        if gone:
            notifier.open(alerts, _message(repository.uri, gone, run, now), "backup", repository.uri, now)
        else:
            notifier.resolve(alerts, "", "backup", repository.uri, now)


def _message(uri: str, gone: list[Ref], run: RunRef, now: datetime) -> Message:
    return event_message(
        "backup",
        severity="critical",
        model="",
        subject=f"{len(gone)} snapshots are missing from {uri}",
        run=run,
        now=now,
        words=f"The last check found them, and no policy and no person forgot them: {in_words(gone)}",
        what_to_do="Find out who deleted them; copy them back from the secondary repository, which deletions do not"
        " reach. To accept a loss: almanac forget SNAPSHOT --lost --reason '...'",
    )
