"""How far each Delta table has come, and what the check of stored files has found."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Create `table_marks` and `file_checks`."""
    op.create_table(
        "table_marks",
        sa.Column("name", sa.String(150), primary_key=True),
        sa.Column("table_id", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("commit_sha256", sa.String(64), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("marked_at", sa.DateTime, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "file_checks",
        sa.Column("subject", sa.String(150), primary_key=True),
        sa.Column("slot", sa.Integer, primary_key=True),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("checked_at", sa.DateTime, nullable=False),
        sa.Column("files", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("damaged", sa.JSON, nullable=False),
        if_not_exists=True,
    )
