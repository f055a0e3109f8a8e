"""The cleanup as a schedule does it, summed up as plain JSON."""

from datetime import datetime
from typing import Any

from almanac.backup.retention.protected import last_installation
from almanac.backup.tasks.run_backup import repositories_of
from almanac.cleanup.cleanup import CleanupRun
from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.store import Registry


def run_plan(home: Home, *, given_key: str, now: datetime) -> dict[str, Any]:
    """What would be deleted, and how large everything is; see `Cleanup`."""
    return _cleanup(home, given_key, now).plan().to_json()


def run_cleanup(home: Home, *, given_key: str, now: datetime, run: RunRef, approved: bool) -> dict[str, Any]:
    """Delete it; see `Cleanup`."""
    return _cleanup(home, given_key, now).execute(run=run, approved=approved).to_json()


def _cleanup(home: Home, given_key: str, now: datetime) -> CleanupRun:
    return CleanupRun(
        home,
        last_installation(home)[0],
        load_models(home.models).models,
        Journal(home.journal_url),
        lambda: Registry.of(home),
        repositories_of(home, given_key),
        given_key=given_key,
        outputs=False,
        now=now,
    )
