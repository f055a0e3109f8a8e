"""Alembic's migrations of the journal, one file for each change of its tables; docs/upgrading.md says how to add one.

Every release from 0.1 to the first one with revisions altered the tables by inspection, so a journal of theirs may have
any of the changes up to `r0007`. Those migrations do what is missing; later ones may take the revision for granted.
"""

from typing import Any

from alembic import op
from sqlalchemy import Column, inspect


def add_missing_column(table: str, column: Column[Any]) -> None:
    """Add a column unless the table has it."""
    known = {found["name"] for found in inspect(op.get_bind()).get_columns(table)}
    if column.name not in known:
        op.add_column(table, column)
