"""Running totals of batches and decisions, counted from the rows that there are."""

import json
from collections import Counter

import sqlalchemy as sa
from alembic import op

from almanac.journal.totals import Total, add, gates_of

revision, down_revision = "0010", "0009"


def upgrade() -> None:
    """Create `totals`, count what there is, and index what the start page looks up."""
    op.create_table(
        "totals",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("label", sa.String(100), primary_key=True),
        sa.Column("amount", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_index("batches_by_window_end", "batches", ["model", "state", "window_end"], if_not_exists=True)
    op.create_index("windows_by_state", "windows", ["model", "state"], if_not_exists=True)
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT 1 FROM totals LIMIT 1")).first() is None:
        add(connection, _batches(connection) + _decisions(connection))


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
