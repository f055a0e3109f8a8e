"""The transitions of rollouts: each is written once, after the one that it follows."""

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from almanac.journal import tables
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutTransition
from almanac.journal.rows import records_of, row_of


class Rollouts:
    """The rollouts in the journal.

    Raises:
        TransientError: on every method, when the journal is away.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def newest(self, model: str) -> RolloutTransition | None:
        """Where the newest rollout of a model stands; None: there was none."""
        return next(iter(self.all(model, limit=1)), None)

    def all(
        self, model: str, *, version: str | None = None, ordinal: int | None = None, limit: int | None = None
    ) -> list[RolloutTransition]:
        """The transitions of a model, the newest first; of one version or one rollout, if these are given."""
        table = tables.rollouts
        query = select(table).where(table.c.model == model).limit(limit)
        query = query.order_by(table.c.ordinal.desc(), table.c.number.desc())
        query = query if version is None else query.where(table.c.version == version)
        query = query if ordinal is None else query.where(table.c.ordinal == ordinal)
        with self.journal.transaction() as connection:
            return records_of(RolloutTransition, connection.execute(query).mappings())

    def record(self, transition: RolloutTransition) -> bool:
        """Write a transition; False: another process has written one in its place, and this one does not count."""
        try:
            with self.journal.transaction() as connection:
                connection.execute(insert(tables.rollouts).values(row_of(transition)))
        except IntegrityError:
            return False
        return True
