"""Records of the journal as rows of its tables, and back."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, get_origin, get_type_hints

from sqlalchemy import RowMapping

from almanac.journal.records import (
    AliasMove,
    BatchRecord,
    Decision,
    DeliveredAlert,
    DrillRecord,
    RolloutTransition,
    RunRef,
    SnapshotRecord,
    TaskUsage,
    Watermark,
    WindowRecord,
)

Record = (
    BatchRecord
    | Decision
    | DeliveredAlert
    | AliasMove
    | Watermark
    | WindowRecord
    | SnapshotRecord
    | DrillRecord
    | RolloutTransition
    | TaskUsage
)
AnyRecord = TypeVar("AnyRecord", bound=Record)


def row_of(record: Record) -> dict[str, Any]:
    """The columns of a record."""
    row = asdict(record)
    row.update(row.pop("run"))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}


def record_of(kind: Callable[..., AnyRecord], row: RowMapping) -> AnyRecord:
    """The record of a row, by the class of the record.

    JSON holds lists where a record has tuples, and columns hold texts where it has enumerations.
    """
    values = {name: read(row[name]) for name, read in _fields(kind)}
    return kind(**values, run=RunRef(**{name: row[name] for name, _ in _fields(RunRef)}))


def records_of(kind: Callable[..., AnyRecord], rows: Iterable[RowMapping]) -> list[AnyRecord]:
    """The records of rows."""
    return [record_of(kind, row) for row in rows]


@cache
def _fields(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """The fields that are columns, each with the function from the column's value to the field's."""
    hints = get_type_hints(kind)
    return tuple((field.name, _reader(hints[field.name])) for field in fields(kind) if field.name != "run")


def _reader(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) is tuple:
        return tuple
    return hint if isinstance(hint, type) and issubclass(hint, StrEnum) else _same


def _same(value: Any) -> Any:
    return value
