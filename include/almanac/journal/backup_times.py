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
    time, found = snapshots.c.taken_at, {}
    with journal.transaction() as connection:
        for subject in connection.execute(_distinct(snapshots.c.subject)).scalars().all():
            # one aggregate each: of both at once SQLite would look at every row
            ends = (select(end).where(snapshots.c.subject == subject) for end in (func.min(time), func.max(time)))
            first, newest = (connection.execute(query).scalar_one() for query in ends)
            found[subject] = (first, newest)
    return found


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
    columns, found = drills.c, {}
    good = columns.passed.is_(True) & columns.meant_to_fail.is_(False)
    with journal.transaction() as connection:
        for subject in connection.execute(_distinct(columns.subject)).scalars().all():
            query = select(func.max(columns.drilled_at)).where(columns.subject == subject, good)
            last: datetime | None = connection.execute(query).scalar()
            if last is not None:
                found[subject] = last
    return found


def _distinct(column: Column[Any]) -> Select[Any]:
    """The values of a column with which an index begins: one look for each value, not one for each row."""
    known = select(func.min(column).label("value")).cte("known", recursive=True)
    following = select(func.min(column)).where(column > known.c.value).scalar_subquery()
    known = known.union_all(select(following).where(known.c.value.is_not(None)))
    return select(known.c.value).where(known.c.value.is_not(None))
