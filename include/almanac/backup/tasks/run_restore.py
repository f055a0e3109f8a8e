"""A restore as a person starts it from a form."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from almanac.backup.restore.compare import compare_folder
from almanac.backup.restore.live import members, restore_live
from almanac.backup.restore.to_folder import Restores, restore_to
from almanac.backup.restore.whole import differences
from almanac.backup.retention.protected import last_installation
from almanac.backup.snapshot.journal_rows import accept_restored_tables, record_restore
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.tasks.run_backup import repositories_of
from almanac.backup.tiers.archive_request import ArchiveRequest
from almanac.backup.tiers.archive_restore import request_restore
from almanac.config.home import Home
from almanac.errors import ConfigError, DamagedDatabaseError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.store import Registry

log = logging.getLogger(__name__)


def request_restore_by_form(
    home: Home, form: Mapping[str, Any], *, given_key: str, now: datetime, by: str
) -> list[ArchiveRequest]:
    """Request from the archive what a form names, or check its state; gives what cannot be read yet.

    Raises:
        DataError: there is no such snapshot.
        TransientError: the store is unreachable.
    """
    repository = repositories_of(home, given_key).named(bool(form["second"]))
    ref = Catalogue(repository).find(str(form["snapshot"]))
    return request_restore(
        repository, members(repository, ref), last_installation(home)[0].backup.tiers, now=now, by=by
    )


def run_restore(home: Home, form: Mapping[str, Any], *, given_key: str, run: RunRef, now: datetime) -> list[str]:
    """Restore what a form names; says where, and what it did when it was tried. What went live is in the journal.

    Args:
        home: where to.
        form: `snapshot`, `second`, `where` (`folder` or `live`), `replace`, `use`, `reason`.
        given_key: from a connection.
        run: the run.
        now: aware.

    Raises:
        ConfigError: a running Airflow cannot exchange the databases under itself; or the target is in use.
        DataError: there is no such snapshot.
        IntegrityError: the snapshot is damaged; nothing was restored.
    """
    repository = repositories_of(home, given_key).named(bool(form["second"]))
    ref = Catalogue(repository).find(str(form["snapshot"]))
    if form["where"] == "live":
        if ref.subject.startswith(("database/", "group/")):
            raise ConfigError(
                f"{ref}: a running Airflow cannot replace its own databases. Stop the services, then:"
                f" almanac restore {ref} --live"
            )
        done = restore_live(repository, ref, home, replace=bool(form["replace"]))
        done += [one.words for one in differences(home, Registry.of(home), repository, ref)]
        try:
            journal, reason = Journal(home.journal_url), str(form.get("reason") or "")
            record_restore(journal, ref, done, run, reason, now)
            accept_restored_tables(home, members(repository, ref), journal, run, reason, now)
        except (
            TransientError,
            DamagedDatabaseError,
        ) as error:  # what is in place must not be put there again because of that
            log.warning("it is in place, but could not be recorded in the journal: %s", error)
        return done
    lines: list[str] = []
    target = home.home / "restored" / f"{ref}".replace("/", "-")
    types = last_installation(home)[0].trusted_types
    restored = restore_to(Restores(repository, ref, target, use=bool(form["use"]), types=types), lines.append)
    return lines + [one.words for one in compare_folder(restored.folders, restored.manifests, home)]
