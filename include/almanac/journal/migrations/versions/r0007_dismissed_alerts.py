"""Who dismissed an alert, and why."""

import sqlalchemy as sa

from almanac.journal.migrations import add_missing_column

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    """Add `dismissed_by` and `dismiss_reason` to conditions."""
    add_missing_column("conditions", sa.Column("dismissed_by", sa.String(250), nullable=False, server_default=""))
    add_missing_column("conditions", sa.Column("dismiss_reason", sa.Text, nullable=False, server_default=""))
