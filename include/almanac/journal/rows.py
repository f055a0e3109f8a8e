"""Records of the journal as rows of its tables, and back."""

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import RowMapping

from almanac.journal.records import (
    Alert,
    AliasMove,
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DrillRecord,
    RunRef,
    SnapshotRecord,
    Watermark,
    WindowRecord,
    WindowState,
)

Record = BatchRecord | Decision | Alert | AliasMove | Watermark | WindowRecord | SnapshotRecord | DrillRecord
_RUN_FIELDS = frozenset(field.name for field in fields(RunRef))


def row_of(record: Record) -> dict[str, Any]:
    """The columns of a record."""
    row = asdict(record)
    row.update(row.pop("run"))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}


def known(row: RowMapping, kind: type) -> dict[str, Any]:
    """The columns that a record's fields are read from."""
    names = {field.name for field in fields(kind)} - {"run"}
    return {name: value for name, value in row.items() if name in names}


def run_of(row: RowMapping) -> RunRef:
    """The run that wrote a row."""
    return RunRef(**{name: row[name] for name in _RUN_FIELDS})


def batch_of(row: RowMapping) -> BatchRecord:
    """A batch."""
    values = known(row, BatchRecord)
    values["state"] = BatchState(values["state"])
    values["reasons"] = tuple(values["reasons"])
    values["warnings"] = tuple(values["warnings"])
    return BatchRecord(**values, run=run_of(row))


def decision_of(row: RowMapping) -> Decision:
    """A decision."""
    values = known(row, Decision)
    values["kind"] = DecisionKind(values["kind"])
    for name in ("reasons", "ask", "people"):
        values[name] = tuple(values[name])
    return Decision(**values, run=run_of(row))


def alert_of(row: RowMapping) -> Alert:
    """An alert."""
    return Alert(**known(row, Alert), run=run_of(row))


def move_of(row: RowMapping) -> AliasMove:
    """An alias move."""
    return AliasMove(**known(row, AliasMove), run=run_of(row))


def window_of(row: RowMapping) -> WindowRecord:
    """A window."""
    values = known(row, WindowRecord)
    values["state"] = WindowState(values["state"])
    return WindowRecord(**values, run=run_of(row))


def drill_of(row: RowMapping) -> DrillRecord:
    """A drill."""
    values = known(row, DrillRecord)
    values["said"] = tuple(values["said"])
    return DrillRecord(**values, run=run_of(row))
