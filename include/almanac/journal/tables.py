"""The tables of the journal, for SQLite and PostgreSQL alike."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite stores no zone: a time without one is refused, and UTC is added when it is read."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into naive UTC.

        Raises:
            ValueError: the time has no zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be kept; got {value!r}, expected an aware datetime")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn naive UTC into an aware time."""
        return None if value is None else value.replace(tzinfo=UTC)


def _run_columns() -> list[Column[object]]:
    return [
        Column("dag_id", String(250), nullable=False),
        Column("run_id", String(250), nullable=False),
        Column("try_number", Integer, nullable=False),
        Column("started_by", String(250), nullable=False),
        Column("trigger", Text, nullable=False),
    ]


arrivals = Table(
    "arrivals",
    metadata,
    Column("model", String(100), primary_key=True),
    Column("uri", String(700), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("batch_id", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    # Object stores report whole seconds: two contents of one size within one second differ only in this.
    Column("etag", String(200), nullable=False, server_default=""),
)

batches = Table(
    "batches",
    metadata,
    Column("model", String(100), primary_key=True),
    Column("batch_id", String(64), primary_key=True),
    Column("uri", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("state", String(20), nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_published", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    Column("rows_dropped", Integer, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("broken_rules", JSON, nullable=False),
    Column("dataset_version", Integer),
    Column("window_start", UtcDateTime),
    Column("window_end", UtcDateTime),
    Column("report_uri", Text, nullable=False),
    Column("base", String(100), nullable=False, server_default=""),
    *_run_columns(),
    Index("batches_by_version", "model", "state", "dataset_version"),
    Index("batches_by_base", "model", "base"),
    Index("batches_by_time", "model", "recorded_at"),
    Index("batches_by_file", "model", "uri", "recorded_at"),
    Index("batches_by_publication", "model", "state", "recorded_at"),
    Index("batches_by_quarantined", "model", "state", "rows_quarantined"),
    Index("batches_by_run", "dag_id", "run_id"),
    Index("batches_by_unchanged", "model", "base", "state", "batch_id"),
    Index("batches_by_window_end", "model", "state", "window_end"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("model", String(100), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("subject", String(250), nullable=False),
    Column("figures", JSON, nullable=False),
    Column("ask", JSON, nullable=False, server_default="[]"),
    Column("people", JSON, nullable=False, server_default="[]"),
    Column("expires_at", UtcDateTime),
    Column("cause", String(100)),
    *_run_columns(),
    Index("decisions_by_model", "model", "kind", "decided_at"),
    Index("decisions_by_order", "model", "kind", "id"),
    Index("decisions_by_subject", "model", "kind", "subject", "id"),
    Index("decisions_by_verdict", "model", "kind", "accepted", "id"),
    Index("decisions_by_judgement", "model", "kind", "subject", "accepted", "id"),
    Index("decisions_by_run", "dag_id", "run_id", "model", "kind", "id"),
    Index("decisions_by_cause", "model", "kind", "cause", unique=True),  # rows without a cause are never equal
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("model", String(100), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("channel", String(30), nullable=False),
    Column("delivered", Boolean, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("error", Text, nullable=False),
    *_run_columns(),
    Index("alerts_by_model", "model", "id"),
    Index("alerts_by_run", "dag_id", "run_id"),
)

# `open_key` is set while an alert is open: of two processes that see it at once only one can open it.
conditions = Table(
    "conditions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("model", String(100), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("key", Text, nullable=False),
    Column("open_key", String(500), unique=True),
    Column("message", JSON, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
    Column("told_at", UtcDateTime),
    Column("told_to", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", String(250), nullable=False),
    Column("escalated_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("dismissed_by", String(250), nullable=False, server_default=""),
    Column("dismiss_reason", Text, nullable=False, server_default=""),
    Index("conditions_by_end", "closed_at", "id"),
    Index("conditions_by_kind", "kind", "seen_at"),
)

alias_moves = Table(
    "alias_moves",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("model", String(100), nullable=False),
    Column("alias", String(50), nullable=False),
    Column("from_version", String(50), nullable=False),
    Column("to_version", String(50), nullable=False),
    Column("reason", Text, nullable=False),
    Column("moved_at", UtcDateTime, nullable=False),
    *_run_columns(),
    Index("alias_moves_by_order", "model", "alias", "id"),
    Index("alias_moves_by_came", "model", "alias", "to_version", "id"),
    Index("alias_moves_by_left", "model", "alias", "from_version", "id"),
    Index("alias_moves_by_model", "model", "id"),
    Index("alias_moves_by_run", "dag_id", "run_id", "model", "alias", "id"),
)

# One row for each transition of a rollout; the key lets one process of several write the next one.
rollouts = Table(
    "rollouts",
    metadata,
    Column("model", String(100), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", String(50), nullable=False),
    Column("against", String(50), nullable=False),
    Column("state", String(20), nullable=False),
    Column("step", Integer, nullable=False),
    Column("share", Float, nullable=False),
    Column("entered", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("figures", JSON, nullable=False),
    *_run_columns(),
    Index("rollouts_by_version", "model", "version", "ordinal"),
    Index("rollouts_by_run", "dag_id", "run_id"),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("model", String(100), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("value", Text, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    *_run_columns(),
)

windows = Table(
    "windows",
    metadata,
    Column("model", String(100), primary_key=True),
    Column("window_start", UtcDateTime, primary_key=True),
    Column("window_end", UtcDateTime, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("missing_steps", Integer, nullable=False),
    Column("content", String(64), nullable=False),
    Column("dataset_version", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    *_run_columns(),
    Index("windows_by_run", "dag_id", "run_id"),
    Index("windows_by_state", "model", "state"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("place", String(300), primary_key=True),
    Column("subject", String(150), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("taken_at", UtcDateTime, nullable=False),
    Column("files", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("new_bytes", BigInteger, nullable=False),
    *_run_columns(),
    Index("snapshots_by_subject", "subject", "taken_at"),
    Index("snapshots_by_time", "taken_at"),
)

drills = Table(
    "drills",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("place", String(300), nullable=False),
    Column("subject", String(150), nullable=False),
    Column("name", String(100), nullable=False),
    Column("level", Integer, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("meant_to_fail", Boolean, nullable=False),
    Column("said", JSON, nullable=False),
    Column("drilled_at", UtcDateTime, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("age_s", Float, nullable=False),
    *_run_columns(),
    Index("drills_by_subject", "subject", "passed", "meant_to_fail", "drilled_at"),
)

# The newest known version of each Delta table; see `almanac.journal.table_marks`.
table_marks = Table(
    "table_marks",
    metadata,
    Column("name", String(150), primary_key=True),
    Column("table_id", String(64), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("commit_sha256", String(64), nullable=False),
    Column("source", Text, nullable=False),
    Column("marked_at", UtcDateTime, nullable=False),
)

# Results of the rolling check of stored files: one row per subject and slot, whatever the number of files.
file_checks = Table(
    "file_checks",
    metadata,
    Column("subject", String(150), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("checked_at", UtcDateTime, nullable=False),
    Column("files", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("damaged", JSON, nullable=False),
)

# The last readable content of each YAML file; see `almanac.journal.declarations`.
declarations = Table(
    "declarations",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("content", JSON, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
)

# Counts that only grow; see `almanac.journal.totals`.
totals = Table(
    "totals",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("model", String(100), primary_key=True),
    Column("label", String(100), primary_key=True),
    Column("amount", Float, nullable=False),
)

# One row for each try of a task, and sums by month that stay; see `almanac.costs.ledger`.
ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("model", String(100), nullable=False),
    Column("pipeline", String(100), nullable=False),
    Column("task_id", String(250), nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("version", String(50), nullable=False),
    Column("queue", String(250), nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("wall_s", Float, nullable=False),
    Column("cpu_s", Float, nullable=False),
    Column("peak_bytes", BigInteger, nullable=False),
    *_run_columns(),
    Index("ledger_by_time", "ended_at"),
    Index("ledger_by_run", "dag_id", "run_id"),
)

ledger_months = Table(
    "ledger_months",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("model", String(100), primary_key=True),
    Column("pipeline", String(100), primary_key=True),
    Column("tasks", BigInteger, nullable=False),
    Column("wall_s", Float, nullable=False),
    Column("cpu_s", Float, nullable=False),
    Column("memory_gib_s", Float, nullable=False),
)
