"""The ledger: what each try of a task has used, and the sums of months."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0011", "0010"


def upgrade() -> None:
    """Create `ledger` and `ledger_months`; nothing is known of tasks that ran before."""
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("pipeline", sa.String(100), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("version", sa.String(50), nullable=False),
        sa.Column("queue", sa.String(250), nullable=False),
        sa.Column("ended_at", sa.DateTime, nullable=False),
        sa.Column("wall_s", sa.Float, nullable=False),
        sa.Column("cpu_s", sa.Float, nullable=False),
        sa.Column("peak_bytes", sa.BigInteger, nullable=False),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("started_by", sa.String(250), nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ledger_by_time", "ledger", ["ended_at"], if_not_exists=True)
    op.create_index("ledger_by_run", "ledger", ["dag_id", "run_id"], if_not_exists=True)
    op.create_table(
        "ledger_months",
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("pipeline", sa.String(100), primary_key=True),
        sa.Column("tasks", sa.BigInteger, nullable=False),
        sa.Column("wall_s", sa.Float, nullable=False),
        sa.Column("cpu_s", sa.Float, nullable=False),
        sa.Column("memory_gib_s", sa.Float, nullable=False),
        if_not_exists=True,
    )
