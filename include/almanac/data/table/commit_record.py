"""A batch's journal row, kept with its Delta commit too, so that the journal can be lost and made again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from almanac.data.table.dataset import DatasetTable
from almanac.journal.records import BatchRecord, BatchState, RunRef

_KEY = "almanac"
_TIMES = ("modified_at", "recorded_at", "window_start", "window_end")


def to_metadata(record: BatchRecord) -> dict[str, str]:
    """What is written into the commit: the whole record as JSON, and some of it readable for other tools."""
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(record).items()
    }
    return {
        "batch": record.batch_id,
        "uri": record.uri,
        "rows": str(record.rows_published),
        "window_start": values["window_start"] or "",
        "window_end": values["window_end"] or "",
        "run": f"{record.run.dag_id} {record.run.run_id}",
        _KEY: json.dumps(values, ensure_ascii=False),
    }


def committed_batches(dataset: DatasetTable) -> list[BatchRecord]:
    """The records of all batches that the dataset's log holds, oldest first.

    Raises:
        TransientError: the store is unreachable.
    """
    return batches_in(dataset.snapshot().table)


def batches_in(table: Any) -> list[BatchRecord]:
    """The same of a Delta table that was opened; none where there is no table."""
    commits = [] if table is None else table.history()
    return [_record(commit) for commit in reversed(commits) if _KEY in commit]


def _record(commit: Mapping[str, Any]) -> BatchRecord:
    values = json.loads(commit[_KEY])
    times = {name: datetime.fromisoformat(values[name]) for name in _TIMES if values[name] is not None}
    record = BatchRecord(
        **{
            **values,
            **times,
            "run": RunRef(**values["run"]),
            "state": BatchState(values["state"]),
            "reasons": tuple(values["reasons"]),
            "warnings": tuple(values["warnings"]),
        }
    )
    return replace(record, dataset_version=int(commit["version"]))
