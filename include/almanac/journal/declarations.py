"""The last readable content of each YAML file, and the models that the journal knows.

A YAML file that is missing or invalid does not say what it protected; these rows do.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, union
from sqlalchemy.exc import IntegrityError

from almanac.journal import tables
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind
from almanac.journal.rows import record_of

_OF_MODELS = ("model", "dataset", "outputs", "checkpoints")  # kinds of snapshots


class Declarations:
    """The declarations in the journal.

    Raises:
        TransientError: on every method, when the journal is away.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def record(self, name: str, content: Mapping[str, Any], now: datetime) -> None:
        """Store a readable declaration, in place of the stored one. Nothing is written if they are equal.

        Args:
            name: of the model, or of the installation's file.
            content: as plain JSON.
            now: aware.
        """
        if self.find(name) == content:
            return
        columns, row = tables.declarations.c, {"name": name, "content": dict(content), "recorded_at": now}
        try:
            with self.journal.transaction() as connection:
                connection.execute(delete(tables.declarations).where(columns.name == name))
                connection.execute(insert(tables.declarations).values(row))
        except IntegrityError:
            return  # another process stored the same files at the same time

    def find(self, name: str) -> dict[str, Any] | None:
        """The stored declaration, as plain JSON."""
        columns = tables.declarations.c
        with self.journal.transaction() as connection:
            found = connection.execute(select(columns.content).where(columns.name == name)).scalar_one_or_none()
        return found if isinstance(found, dict) else None

    def models_with_data(self) -> set[str]:
        """The models with a batch, an alias move or a snapshot in the journal."""
        models = union(*(select(table.c.model) for table in (tables.batches, tables.alias_moves)))
        subjects = select(tables.snapshots.c.subject).distinct()
        with self.journal.transaction() as connection:
            named = [str(name) for name in connection.execute(models).scalars()]
            parted = [str(subject).partition("/") for subject in connection.execute(subjects).scalars()]
        return {name for name in named if name} | {name for kind, _, name in parted if kind in _OF_MODELS}

    def retired(self) -> dict[str, Decision]:
        """The models that a person has retired, unless that was undone, with the decision."""
        table = tables.decisions
        query = select(table).where(table.c.kind == DecisionKind.RETIREMENT).order_by(table.c.id)
        newest: dict[str, Decision] = {}
        with self.journal.transaction() as connection:
            for row in connection.execute(query).mappings():
                newest[str(row["model"])] = record_of(Decision, row)
        return {model: decision for model, decision in newest.items() if decision.accepted}
