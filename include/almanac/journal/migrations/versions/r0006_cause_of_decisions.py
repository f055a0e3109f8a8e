"""At most one decision of a model and kind has a given cause."""

import sqlalchemy as sa
from alembic import op

from almanac.journal.migrations import add_missing_column

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    """Add `cause` to decisions, with its unique index."""
    add_missing_column("decisions", sa.Column("cause", sa.String(100)))
    op.create_index("decisions_by_cause", "decisions", ["model", "kind", "cause"], unique=True, if_not_exists=True)
