"""When each subject was backed up and proven, found by indexes: the number of snapshots and drills does not matter."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Select, func, select

from almanac.journal.journal import Journal
from almanac.journal.tables import drills, snapshots


def snapshot_times(journal: Journal) -> dict[str, tuple[datetime, datetime]]:
    """When the first and the newest known snapshot of each subject was taken.

    Raises:
        TransientError: the journal is unreachable.
    """
    subjects = _distinct(snapshots.c.subject).subquery()
    # a look-up each: of both at once SQLite would look at every row
    ends = (_of_subject(end(snapshots.c.taken_at), snapshots.c.subject, subjects) for end in (func.min, func.max))
    with journal.transaction() as connection:
        return {row[0]: (row[1], row[2]) for row in connection.execute(select(subjects.c.value, *ends))}


def first_snapshot(journal: Journal) -> datetime | None:
    """When the first known snapshot was taken; None: there is none.

    Raises:
        TransientError: the journal is unreachable.
    """
    with journal.transaction() as connection:
        found: datetime | None = connection.execute(select(func.min(snapshots.c.taken_at))).scalar()
        return found


def proven_times(journal: Journal) -> dict[str, datetime]:
    """When the last good drill of each subject was; one that was to fail proves nothing of the subject.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns = drills.c
    subjects = _distinct(columns.subject).subquery()
    good = columns.passed.is_(True) & columns.meant_to_fail.is_(False)
    last = _of_subject(func.max(columns.drilled_at), columns.subject, subjects, good)
    with journal.transaction() as connection:
        rows = connection.execute(select(subjects.c.value, last)).all()
    return {subject: at for subject, at in rows if at is not None}


def last_restores(journal: Journal) -> dict[str, float]:
    """How many seconds the newest good drill of each subject took to restore.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns = drills.c
    subjects = _distinct(columns.subject).subquery()
    good = columns.passed.is_(True) & columns.meant_to_fail.is_(False)
    query = select(columns.duration_s).where(columns.subject == subjects.c.value, good)
    last = query.order_by(columns.drilled_at.desc()).limit(1).scalar_subquery()
    with journal.transaction() as connection:
        rows = connection.execute(select(subjects.c.value, last)).all()
    return {subject: float(seconds) for subject, seconds in rows if seconds is not None}


def _of_subject(aggregate: Any, column: Column[Any], subjects: Any, *more: Any) -> Any:
    return select(aggregate).where(column == subjects.c.value, *more).scalar_subquery()


def _distinct(column: Column[Any]) -> Select[Any]:
    """The values of a column with which an index begins: one look for each value, not one for each row."""
    known = select(func.min(column).label("value")).cte("known", recursive=True)
    following = select(func.min(column)).where(column > known.c.value).scalar_subquery()
    known = known.union_all(select(following).where(known.c.value.is_not(None)))
    return select(known.c.value).where(known.c.value.is_not(None))
