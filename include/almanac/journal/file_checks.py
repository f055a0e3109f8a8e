"""What the rolling check of stored files has found: one row per subject and turn, whatever the number of files."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from almanac.journal import tables
from almanac.journal.journal import Journal


@dataclass(frozen=True)
class FileCheck:
    """One turn of a subject's files.

    Attributes:
        subject: whose.
        slot: which turn,
        slots: of how many.
        checked_at: when it was last had.
        files: how many were read,
        size_bytes: and how much.
        damaged: path and fault of each that is damaged.
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
    """How well the files of a subject are known to be whole.

    Attributes:
        subject: whose.
        slots: how many turns there are, one a night.
        share: of them that were had within so many days, 0 to 1.
        oldest: the turn that was had longest ago; None: not all were had.
        damaged: path and fault of each damaged file.
    """

    subject: str
    slots: int
    share: float
    oldest: datetime | None
    damaged: tuple[str, ...]


class FileChecks:
    """The turns in the journal.

    Raises:
        TransientError: on every method, when the journal is away.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def all(self, subject: str = "") -> list[FileCheck]:
        """What was checked, of a subject or of all."""
        table = tables.file_checks
        query = select(table).order_by(table.c.subject, table.c.slot)
        query = query.where(table.c.subject == subject) if subject else query
        with self._journal.transaction() as connection:
            rows = connection.execute(query).mappings()
            return [FileCheck(**{**row, "damaged": tuple(row["damaged"])}) for row in rows]

    def record(self, check: FileCheck) -> None:
        """Write a turn; those of another number of turns go."""
        columns = tables.file_checks.c
        gone = (columns.slot == check.slot) | (columns.slots != check.slots)
        row = {**asdict(check), "damaged": list(check.damaged)}
        with self._journal.transaction() as connection:
            connection.execute(delete(tables.file_checks).where(columns.subject == check.subject, gone))
            connection.execute(insert(tables.file_checks).values(row))

    def settle(self, subject: str, left: Sequence[str]) -> None:
        """After a repair that has compared everything: only what is left is damaged."""
        columns = tables.file_checks.c
        still = {line.split(": ", 1)[0] for line in left}
        for check in self.all(subject):
            damaged = [line for line in check.damaged if line.split(": ", 1)[0] in still]
            key = (columns.subject == subject) & (columns.slot == check.slot)
            with self._journal.transaction() as connection:
                connection.execute(update(tables.file_checks).where(key).values(damaged=damaged))

    def damaged(self) -> dict[str, tuple[str, ...]]:
        """Path and fault of each file that was found damaged and was not put back, by subject."""
        found: dict[str, tuple[str, ...]] = {}
        for check in self.all():
            if check.damaged:
                found[check.subject] = (*found.get(check.subject, ()), *check.damaged)
        return found

    def states(self, now: datetime) -> list[CheckState]:
        """How each subject stands that was ever checked."""
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
