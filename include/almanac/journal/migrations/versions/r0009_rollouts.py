"""The transitions of rollouts."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0009", "0008"

_INDEXES = {
    "rollouts_by_version": ["model", "version", "ordinal"],
    "rollouts_by_run": ["dag_id", "run_id"],
}


def upgrade() -> None:
    """Create `rollouts`."""
    op.create_table(
        "rollouts",
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.String(50), nullable=False),
        sa.Column("against", sa.String(50), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("entered", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("started_by", sa.String(250), nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        if_not_exists=True,
    )
    for name, columns in _INDEXES.items():
        op.create_index(name, "rollouts", columns, if_not_exists=True)
