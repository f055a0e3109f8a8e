"""Results of the rolling check of stored files: one row per subject and slot, whatever the number of files."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from almanac.journal import tables
from almanac.journal.journal import Journal


@dataclass(frozen=True)
class FileCheck:
    """The result of one slot of a subject's files.

    Attributes:
        subject: for example `dataset/weather`.
        slot: the number of the slot, from 0.
        slots: how many slots the files are spread over.
        checked_at: when the slot was last checked.
        files: how many were read.
        size_bytes: of these files.
        damaged: path and problem of each damaged file.
    """

    subject: str
    slot: int
    slots: int
    checked_at: datetime
    files: int
    size_bytes: int
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckState:
    """How recently the files of a subject were checked.

    Attributes:
        subject: for example `dataset/weather`.
        slots: how many there are; one is checked each night.
        share: of the slots that were checked within `slots` days, 0 to 1.
        oldest: when the least recent slot was checked; None: not all were checked.
        damaged: path and problem of each damaged file.
    """

    subject: str
    slots: int
    share: float
    oldest: datetime | None
    damaged: tuple[str, ...]


class FileChecks:
    """The checked slots in the journal.

    Raises:
        TransientError: on every method, when the journal is away.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def all(self, subject: str = "") -> list[FileCheck]:
        """The results, of a subject or of all."""
        table = tables.file_checks
        query = select(table).order_by(table.c.subject, table.c.slot)
        query = query.where(table.c.subject == subject) if subject else query
        with self._journal.transaction() as connection:
            rows = connection.execute(query).mappings()
            return [FileCheck(**{**row, "damaged": tuple(row["damaged"])}) for row in rows]

    def record(self, check: FileCheck) -> None:
        """Write a result; those with another number of slots are deleted."""
        columns = tables.file_checks.c
        gone = (columns.slot == check.slot) | (columns.slots != check.slots)
        row = {**asdict(check), "damaged": list(check.damaged)}
        with self._journal.transaction() as connection:
            connection.execute(delete(tables.file_checks).where(columns.subject == check.subject, gone))
            connection.execute(insert(tables.file_checks).values(row))

    def settle(self, subject: str, left: Sequence[str]) -> None:
        """After a repair that compared all files: only the files in `left` are damaged."""
        columns = tables.file_checks.c
        still = {line.split(": ", 1)[0] for line in left}
        for check in self.all(subject):
            damaged = [line for line in check.damaged if line.split(": ", 1)[0] in still]
            key = (columns.subject == subject) & (columns.slot == check.slot)
            with self._journal.transaction() as connection:
                connection.execute(update(tables.file_checks).where(key).values(damaged=damaged))

    def damaged(self) -> dict[str, tuple[str, ...]]:
        """Path and problem of each damaged file that was not repaired, by subject."""
        found: dict[str, tuple[str, ...]] = {}
        for check in self.all():
            if check.damaged:
                found[check.subject] = (*found.get(check.subject, ()), *check.damaged)
        return found

    def states(self, now: datetime) -> list[CheckState]:
        """The state of each subject that was ever checked."""
        rows: dict[str, list[FileCheck]] = {}
        for check in self.all():
            rows.setdefault(check.subject, []).append(check)
        return [_state(subject, checks, now) for subject, checks in rows.items()]


def _state(subject: str, checks: Sequence[FileCheck], now: datetime) -> CheckState:
    slots = checks[0].slots
    in_time = sum(now - check.checked_at <= timedelta(days=slots + 1) for check in checks)
    oldest = min(check.checked_at for check in checks) if len(checks) == slots else None
    return CheckState(
        subject, slots, in_time / slots, oldest, tuple(line for check in checks for line in check.damaged)
    )
