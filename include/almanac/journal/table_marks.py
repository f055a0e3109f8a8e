"""The newest known version of each Delta table: one row per table, written after each commit."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from almanac.journal import tables
from almanac.journal.journal import Journal


@dataclass(frozen=True)
class TableMark:
    """The newest commit of a table that was observed.

    Attributes:
        name: of the table: `dataset/weather`, `predictions/weather`, `shadow/weather`, `quarantine/weather`.
        table_id: Delta's own id of the table; empty: unknown.
        version: the table has at least this version.
        commit_sha256: of the bytes of that version's commit; empty: unknown.
        source: where it was observed.
        marked_at: when it was written.
    """

    name: str
    table_id: str
    version: int
    commit_sha256: str
    source: str
    marked_at: datetime


class TableMarks:
    """The marks in the journal.

    Raises:
        TransientError: on every method, when the journal is away.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def find(self, name: str) -> TableMark | None:
        """The mark of a table; None: there is none."""
        query = select(tables.table_marks).where(tables.table_marks.c.name == name)
        with self.journal.transaction() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else TableMark(**row)

    def advance(self, mark: TableMark) -> None:
        """Write a mark, unless a newer version is known: of two writers the slower one changes nothing.

        A mark of another table id is not changed: only `replace` may record that a table was recreated.
        """
        columns = tables.table_marks.c
        further = (columns.name == mark.name) & (columns.version <= mark.version)
        same = columns.table_id.in_({mark.table_id, ""})
        with self.journal.transaction() as connection:
            if connection.execute(update(tables.table_marks).where(further & same).values(asdict(mark))).rowcount:
                return
        try:
            with self.journal.transaction() as connection:
                connection.execute(insert(tables.table_marks).values(asdict(mark)))
        except IntegrityError:  # there is a newer one
            return

    def replace(self, name: str, mark: TableMark | None) -> None:
        """Write a mark whatever was known before; None: delete it."""
        with self.journal.transaction() as connection:
            connection.execute(delete(tables.table_marks).where(tables.table_marks.c.name == name))
            if mark is not None:
                connection.execute(insert(tables.table_marks).values(asdict(mark)))
