"""The tables as release 0.1 made them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def _run_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("started_by", sa.String(250), nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
    ]


def upgrade() -> None:
    """Create what is missing."""
    _create_ingest()
    _create_audit()
    _create_backups()


def _create_ingest() -> None:
    _create(
        "arrivals",
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("uri", sa.String(700), primary_key=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.DateTime, nullable=False),
        sa.Column("batch_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("etag", sa.String(200), nullable=False, server_default=""),
    )
    _create(
        "batches",
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.DateTime, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("rows_read", sa.Integer, nullable=False),
        sa.Column("rows_published", sa.Integer, nullable=False),
        sa.Column("rows_quarantined", sa.Integer, nullable=False),
        sa.Column("rows_dropped", sa.Integer, nullable=False),
        sa.Column("recorded_at", sa.DateTime, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("broken_rules", sa.JSON, nullable=False),
        sa.Column("dataset_version", sa.Integer),
        sa.Column("window_start", sa.DateTime),
        sa.Column("window_end", sa.DateTime),
        sa.Column("report_uri", sa.Text, nullable=False),
        *_run_columns(),
    )
    _create(
        "watermarks",
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.DateTime, nullable=False),
        *_run_columns(),
    )
    _create(
        "windows",
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("window_start", sa.DateTime, primary_key=True),
        sa.Column("window_end", sa.DateTime, primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("missing_steps", sa.Integer, nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("dataset_version", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        *_run_columns(),
    )


def _create_audit() -> None:
    _create(
        "decisions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("subject", sa.String(250), nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("ask", sa.JSON, nullable=False, server_default="[]"),
        *_run_columns(),
    )
    op.create_index("decisions_by_model", "decisions", ["model", "kind", "decided_at"], if_not_exists=True)
    _create(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("channel", sa.String(30), nullable=False),
        sa.Column("delivered", sa.Boolean, nullable=False),
        sa.Column("raised_at", sa.DateTime, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        *_run_columns(),
    )
    _create(
        "conditions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("open_key", sa.String(500), unique=True),
        sa.Column("message", sa.JSON, nullable=False),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("told_at", sa.DateTime),
        sa.Column("told_to", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("acknowledged_at", sa.DateTime),
        sa.Column("acknowledged_by", sa.String(250), nullable=False),
        sa.Column("escalated_at", sa.DateTime),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("closed_at", sa.DateTime),
    )
    _create(
        "alias_moves",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("alias", sa.String(50), nullable=False),
        sa.Column("from_version", sa.String(50), nullable=False),
        sa.Column("to_version", sa.String(50), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("moved_at", sa.DateTime, nullable=False),
        *_run_columns(),
    )


def _create_backups() -> None:
    _create(
        "snapshots",
        sa.Column("place", sa.String(300), primary_key=True),
        sa.Column("subject", sa.String(150), primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("taken_at", sa.DateTime, nullable=False),
        sa.Column("files", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("new_bytes", sa.BigInteger, nullable=False),
        *_run_columns(),
    )
    _create(
        "drills",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("place", sa.String(300), nullable=False),
        sa.Column("subject", sa.String(150), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("meant_to_fail", sa.Boolean, nullable=False),
        sa.Column("said", sa.JSON, nullable=False),
        sa.Column("drilled_at", sa.DateTime, nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("age_s", sa.Float, nullable=False),
        *_run_columns(),
    )


def _create(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(name, *columns, if_not_exists=True)
