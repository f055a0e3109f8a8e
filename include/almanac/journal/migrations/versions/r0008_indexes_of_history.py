"""Indexes by which the newest rows are found without a look at all others."""

from alembic import op

revision, down_revision = "0008", "0007"

_INDEXES = {
    "batches": {
        "batches_by_time": ["model", "recorded_at"],
        "batches_by_file": ["model", "uri", "recorded_at"],
        "batches_by_publication": ["model", "state", "recorded_at"],
        "batches_by_quarantined": ["model", "state", "rows_quarantined"],
        "batches_by_run": ["dag_id", "run_id"],
        "batches_by_unchanged": ["model", "base", "state", "batch_id"],
    },
    "decisions": {
        "decisions_by_order": ["model", "kind", "id"],
        "decisions_by_subject": ["model", "kind", "subject", "id"],
        "decisions_by_verdict": ["model", "kind", "accepted", "id"],
        "decisions_by_judgement": ["model", "kind", "subject", "accepted", "id"],
        "decisions_by_run": ["dag_id", "run_id", "model", "kind", "id"],
    },
    "alerts": {"alerts_by_model": ["model", "id"], "alerts_by_run": ["dag_id", "run_id"]},
    "conditions": {"conditions_by_end": ["closed_at", "id"], "conditions_by_kind": ["kind", "seen_at"]},
    "alias_moves": {
        "alias_moves_by_order": ["model", "alias", "id"],
        "alias_moves_by_came": ["model", "alias", "to_version", "id"],
        "alias_moves_by_left": ["model", "alias", "from_version", "id"],
        "alias_moves_by_model": ["model", "id"],
        "alias_moves_by_run": ["dag_id", "run_id", "model", "alias", "id"],
    },
    "windows": {"windows_by_run": ["dag_id", "run_id"]},
    "snapshots": {"snapshots_by_subject": ["subject", "taken_at"], "snapshots_by_time": ["taken_at"]},
    "drills": {"drills_by_subject": ["subject", "passed", "meant_to_fail", "drilled_at"]},
}


def upgrade() -> None:
    """Create the indexes."""
    for table, indexes in _INDEXES.items():
        for name, columns in indexes.items():
            op.create_index(name, table, columns, if_not_exists=True)
