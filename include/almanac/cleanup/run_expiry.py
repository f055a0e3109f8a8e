"""Expiry as a schedule does it, summed up as plain JSON."""

from datetime import datetime
from typing import Any

from almanac.backup.tasks.run_backup import repositories_of
from almanac.cleanup.expire import Expiry
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef


def expiry_of(model: Model, home: Home, *, given_key: str, now: datetime) -> Expiry:
    """A model's expiry, against the first backup repository."""
    return Expiry(model, home, Journal(home.journal_url), repositories_of(home, given_key).first, now=now)


def run_plan(model: Model, home: Home, *, given_key: str, now: datetime) -> dict[str, Any]:
    """What would be deleted, and why the rest stays; nothing is changed.

    Raises:
        IntegrityError, TransientError: see `Expiry`.
    """
    return expiry_of(model, home, given_key=given_key, now=now).plan().to_json()


def run_expiry(
    model: Model, home: Home, *, given_key: str, now: datetime, run: RunRef, approved: bool
) -> dict[str, Any]:
    """Delete it.

    Raises:
        ApprovalError: it would be too much.
        IntegrityError, TransientError: see `Expiry`.
    """
    return expiry_of(model, home, given_key=given_key, now=now).execute(run=run, approved=approved).to_json()
