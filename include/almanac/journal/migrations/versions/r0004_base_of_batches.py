"""A batch that brought nothing new names the commit against which it did."""

import sqlalchemy as sa
from alembic import op

from almanac.journal.migrations import add_missing_column

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    """Add `base` to batches, and two indexes."""
    add_missing_column("batches", sa.Column("base", sa.String(100), nullable=False, server_default=""))
    op.create_index("batches_by_version", "batches", ["model", "state", "dataset_version"], if_not_exists=True)
    op.create_index("batches_by_base", "batches", ["model", "base"], if_not_exists=True)
