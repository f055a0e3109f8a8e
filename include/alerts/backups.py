"""Looks whether everything was backed up lately."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from include.alerts.message import Message, event_message
from include.alerts.telling import Teller
from include.config.installation import Installation
from include.config.schema import Model
from include.journal.journal import Journal
from include.journal.records import RunRef

EVERYTHING = "group/all"


def tell_missed(
    teller: Teller, installation: Installation, models: Sequence[Model], journal: Journal, run: RunRef, now: datetime
) -> None:
    """Tell once that a backup of everything was missed, and once when there is one again.

    Raises:
        TransientError: the journal is away.
    """
    missed = missed_backup(journal, [model.name for model in models], installation.backup.max_age, run, now)
    if missed is None:
        teller.ended(installation.alerts, "", "backup", EVERYTHING, now)
    else:
        teller.seen(installation.alerts, missed, "backup", EVERYTHING, now)


def missed_backup(
    journal: Journal, models: Sequence[str], max_age: timedelta, run: RunRef, now: datetime
) -> Message | None:
    """The alert that the newest snapshot of everything is too old; None while it is young.

    From the journal alone: it must speak up just when the backup's DAG does not run. An installation that promoted its
    first model, or took its first snapshot of anything, less than `max_age` ago is given the time.

    Args:
        journal: knows snapshots and promotions.
        models: the names of all.
        max_age: how old the newest may be.
        run: who looks.
        now: aware.

    Raises:
        TransientError: the journal is away.
    """
    taken = [snapshot.taken_at for snapshot in journal.snapshots(EVERYTHING)]
    signs = [snapshot.taken_at for snapshot in journal.snapshots()]
    signs += [move.moved_at for model in models for move in journal.alias_moves(model)]
    since = max(taken, default=min(signs, default=now))
    if now - since <= max_age:
        return None
    when = f"The last one was at {since:%Y-%m-%d %H:%M}Z" if taken else "There has never been one"
    return event_message(
        "backup", severity="critical", model="", subject="a backup of everything was missed", run=run, now=now,
        words=f"{when}; `backup.max_age` is {max_age / timedelta(days=1):g} days. What came since then exists once.",
        what_to_do="See whether the DAG backup_databases is paused or red; `almanac backup` does the same by hand.",
    )  # fmt: skip
