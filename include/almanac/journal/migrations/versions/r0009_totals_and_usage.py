"""Running totals of batches and decisions, counted from the rows that there are; and what tasks use."""

import json
from collections import Counter

import sqlalchemy as sa
from alembic import op

from almanac.journal.totals import Total, add, gates_of

revision, down_revision = "0009", "0008"


def upgrade() -> None:
    """Create `totals` and `usage`, count what there is, and index batches by the end of their rows."""
    op.create_table(
        "totals",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("label", sa.String(100), primary_key=True),
        sa.Column("amount", sa.Float, nullable=False),
        if_not_exists=True,
    )
    _create_usage()
    op.create_index("batches_by_window_end", "batches", ["model", "state", "window_end"], if_not_exists=True)
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT 1 FROM totals LIMIT 1")).first() is None:
        add(connection, _batches(connection) + _decisions(connection))


def _create_usage() -> None:
    numbers = [sa.Column(name, sa.BigInteger, nullable=False) for name in ("peak_bytes", "read_bytes", "written_bytes")]
    op.create_table(
        "usage",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("pipeline", sa.String(100), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("version", sa.String(50), nullable=False, server_default=""),
        sa.Column("queue", sa.String(100), nullable=False, server_default=""),
        sa.Column("began_at", sa.DateTime, nullable=False),
        sa.Column("wall_s", sa.Float, nullable=False),
        sa.Column("cpu_s", sa.Float, nullable=False),
        *numbers,
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("started_by", sa.String(250), nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_index("usage_by_time", "usage", ["began_at"], if_not_exists=True)
    op.create_index("usage_by_model", "usage", ["model", "began_at"], if_not_exists=True)
    op.create_index("usage_by_run", "usage", ["dag_id", "run_id"], if_not_exists=True)


def _batches(connection: sa.Connection) -> Counter[Total]:
    found: Counter[Total] = Counter()
    query = (
        "SELECT model, state, count(*), sum(rows_quarantined), sum(rows_published) FROM batches GROUP BY model, state"
    )
    for model, state, batches, quarantined, published in connection.execute(sa.text(query)):
        found[Total("batches", model, state)] += batches
        found[Total("rows_quarantined", model)] += int(quarantined)
        found[Total("rows_published", model)] += int(published)
    return found


def _decisions(connection: sa.Connection) -> Counter[Total]:
    found: Counter[Total] = Counter()
    query = "SELECT model, kind, accepted, count(*) FROM decisions GROUP BY model, kind, accepted"
    for model, kind, accepted, count in connection.execute(sa.text(query)):
        found[Total("decisions", model, f"{kind}/{'accepted' if accepted else 'refused'}")] += count
    refused = sa.text("SELECT model, reasons FROM decisions WHERE kind = 'gates' AND accepted = :no")
    for model, reasons in connection.execute(refused, {"no": False}):
        texts = json.loads(reasons) if isinstance(reasons, str) else reasons
        found.update(Total("gate_refusals", model, gate) for gate in gates_of(texts))
    return found
