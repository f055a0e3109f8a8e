"""Looks whether what is backed up has lately been proven to come back."""

from datetime import datetime, timedelta

from include.alerts.backups import EVERYTHING
from include.alerts.message import Message, event_message
from include.backup.drills import DISASTER
from include.journal.journal import Journal
from include.journal.records import RunRef


def overdue_messages(
    journal: Journal, max_age: timedelta, run: RunRef, now: datetime, *, disaster_max_age: timedelta | None = None
) -> dict[str, Message]:
    """The alerts for subjects whose last good drill is too old, by subject.

    From the journal alone: it must speak up just when the drill's DAG does not run. A subject that was first backed
    up less than `max_age` ago is given the time.

    Args:
        journal: knows snapshots and drills.
        max_age: how old a good drill may be.
        run: who looks.
        now: aware.
        disaster_max_age: how old the last drill of the loss of the whole machine may be; None: none is played here.

    Raises:
        TransientError: the journal is away.
    """
    first: dict[str, datetime] = {}
    for snapshot in journal.snapshots():
        first[snapshot.subject] = min(snapshot.taken_at, first.get(snapshot.subject, now))
    proven: dict[str, datetime] = {}
    for drill in journal.drills():
        if drill.passed and not drill.meant_to_fail:
            proven[drill.subject] = max(drill.drilled_at, proven.get(drill.subject, drill.drilled_at))
    limits = dict.fromkeys(first, max_age)
    if disaster_max_age is not None and EVERYTHING in first:
        first[DISASTER], limits[DISASTER] = first[EVERYTHING], disaster_max_age
    late = {subject for subject, since in first.items() if proven.get(subject, since) + limits[subject] < now}
    return {subject: _message(subject, proven.get(subject), limits[subject], run, now) for subject in sorted(late)}


def _message(subject: str, last: datetime | None, max_age: timedelta, run: RunRef, now: datetime) -> Message:
    command = "almanac drill --disaster" if subject == DISASTER else "almanac drill"
    when = f"The last one was at {last:%Y-%m-%d %H:%M}Z" if last else "There has never been one"
    return event_message(
        "drill", severity="critical", model="", subject=f"{subject}: no restore drill has succeeded", run=run, now=now,
        words=f"{when}; at most {max_age.days} days are allowed (`backup.drills`). What has not been restored may not"
        " come back.",
        what_to_do=f"See whether the DAG restore_drill is paused or red; `{command}` does the same by hand.",
    )  # fmt: skip
