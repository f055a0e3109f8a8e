"""A question says who may answer and until when; an answer says who gave it."""

import sqlalchemy as sa

from almanac.journal.migrations import add_missing_column

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Add `people` and `expires_at` to decisions."""
    add_missing_column("decisions", sa.Column("people", sa.JSON, nullable=False, server_default="[]"))
    add_missing_column("decisions", sa.Column("expires_at", sa.DateTime))
