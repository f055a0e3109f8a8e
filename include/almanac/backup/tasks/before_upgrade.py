"""Snapshots of the databases before a new release changes them, and the upgrade of the journal."""

from collections.abc import Callable
from datetime import UTC, datetime

from almanac.backup.installation import databases, exists
from almanac.backup.snapshot.backup import BackupRun
from almanac.backup.snapshot.journal_rows import record_taken
from almanac.backup.snapshot.writer import WrittenSnapshot
from almanac.backup.store.manifest import Maker
from almanac.backup.tasks.run_backup import repositories_of
from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.journal.schema import describe
from almanac.journal.upgrade import Upgrade, upgrade_journal
from almanac.registry.store import Registry


def back_up_before_upgrade(home: Home) -> None:
    """A snapshot of each database that exists, before a new release changes one of them.

    Raises:
        IntegrityError: a database is damaged; it must not be changed before it is repaired.
        TransientError: the backup repository or a database is away.
    """
    run = _run()
    record_taken(Journal(home.journal_url), home.backups, _take(home, run), run)


def upgrade_with_backup(home: Home, report: Callable[[str], None], *, without_backup: bool = False) -> Upgrade:
    """Upgrade the journal's tables; snapshots of all databases that exist are taken before tables are changed.

    Args:
        home: whose journal.
        report: called with one line for each step; not called when the journal is current.
        without_backup: take no snapshots; for those who have a dump of their own.

    Raises:
        JournalSchemaError: a newer release has upgraded it; nothing was changed.
        IntegrityError: a database is damaged; nothing was changed.
        TransientError: the backup repository or a database is away; nothing was changed.
    """
    run, taken = _run(), list[WrittenSnapshot]()

    def back_up() -> None:
        if without_backup:
            report("upgrading the journal without a snapshot, as asked")
            return
        report(f"backing up the databases to {home.backups} before the journal is upgraded")
        taken.extend(_take(home, run))
        report(f"backed up: {', '.join(str(one.ref) for one in taken)}")

    done = upgrade_journal(home.journal_url, back_up)
    record_taken(Journal(home.journal_url), home.backups, taken, run)  # the older journal could not be told
    if done.changed:
        report(f"the journal is upgraded from {describe(done.before)} to {describe(done.after)}")
    return done


def _take(home: Home, run: RunRef) -> list[WrittenSnapshot]:
    """In the first repository: it always exists, because without a setting it is a folder of the home."""
    there = [f"database/{name}" for name, url in databases(home).items() if exists(url)]
    maker = Maker(dag_id=run.dag_id, run_id=run.run_id, started_by=run.started_by, reason=run.trigger)
    backup = BackupRun(home, repositories_of(home, "").first, maker, Registry.of(home))
    taken = backup.subjects(there)
    backup.check()
    return list(taken)


def _run() -> RunRef:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return RunRef("almanac up", at, trigger="before an upgrade")
