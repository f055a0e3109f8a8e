"""The last readable content of each YAML file."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    """Create `declarations`."""
    op.create_table(
        "declarations",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("recorded_at", sa.DateTime, nullable=False),
        if_not_exists=True,
    )
