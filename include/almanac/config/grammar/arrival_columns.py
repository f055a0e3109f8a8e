"""The columns that Almanac adds to a table without a time."""

from collections.abc import Mapping
from typing import Any

TIME_WORD = "arrival"
"""What `dataset.time` says where a table has no time."""
ARRIVAL = "_arrival"
"""When the row's delivery was ingested: its event time. Of a row that comes again unchanged, the first time."""
ARRIVAL_ROW = "_arrival_row"
"""Delivery and number of a row, where no column is declared that identifies it."""
ADDED = (ARRIVAL, ARRIVAL_ROW)

_COLUMNS: dict[str, dict[str, Any]] = {
    ARRIVAL: {"type": "timestamp", "timezone": "UTC", "description": "added: when the delivery was ingested"},
    ARRIVAL_ROW: {"type": "string", "description": "added: delivery and number of the row"},
}
_STEP = "1s"  # every time but one is unused between deliveries


def has_no_time(declared: Mapping[str, Any]) -> bool:
    """Whether a section `dataset` as a person writes it says `time: arrival`, and declares no column of this name."""
    columns = declared.get("columns")
    return declared.get("time") == TIME_WORD and not (isinstance(columns, Mapping) and TIME_WORD in columns)


def with_arrival(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section `dataset` with the added columns, where it declares `time: arrival`; as it is otherwise.

    A declared column of the name `arrival` is an event time like any other. A section that was completed before, as
    in the files of a model version, stays what it is.

    Raises:
        ValueError: a declared column has the name of an added one.
    """
    columns = declared.get("columns")
    if not isinstance(columns, Mapping) or not has_no_time(declared):
        return declared
    if taken := [name for name in columns if str(name).casefold() in ADDED]:
        raise ValueError(f"columns: {taken} are added to a table with time: arrival; rename them (from: [{taken[0]}])")
    key = list(declared.get("key") or (ARRIVAL_ROW,))
    added = [ARRIVAL, *([ARRIVAL_ROW] if key == [ARRIVAL_ROW] else [])]
    whole = {**columns, **{name: _COLUMNS[name] for name in added}}
    return {**declared, "time": ARRIVAL, "key": key, "step": declared.get("step") or _STEP, "columns": whole}
