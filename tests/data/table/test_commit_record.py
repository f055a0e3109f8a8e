"""A batch's record comes back out of its commit as it went in, and the commit says the most of it to other tools."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from almanac.data.table.commit_record import batches_in, to_metadata
from almanac.journal.records import BatchRecord, BatchState, RunRef

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
RECORD = BatchRecord(
    model="weather",
    batch_id="a" * 64,
    uri="/landing/ä b.csv",
    size_bytes=10,
    modified_at=END,
    state=BatchState.PUBLISHED,
    rows_read=744,
    rows_published=740,
    rows_quarantined=3,
    rows_dropped=1,
    recorded_at=END,
    run=RunRef("ingest_weather", "r", 2, "ada", "manual"),
    reasons=("r",),
    warnings=("w", "x"),
    window_start=START,
    window_end=END,
)


class Table:
    """A table with these commits, the newest first."""

    def __init__(self, *commits: dict[str, Any]) -> None:
        self._commits = list(commits)

    def history(self) -> list[dict[str, Any]]:
        return self._commits


def test_to_metadata_is_readable_without_the_record() -> None:
    text = to_metadata(RECORD)
    assert {name: value for name, value in text.items() if name != "almanac"} == {
        "batch": "a" * 64,
        "uri": "/landing/ä b.csv",
        "rows": "740",
        "window_start": "2026-01-01T00:00:00+00:00",
        "window_end": "2026-02-01T00:00:00+00:00",
        "run": "ingest_weather r",
    }


def test_to_metadata_of_a_batch_without_rows_says_no_window() -> None:
    text = to_metadata(replace(RECORD, window_start=None, window_end=None))
    assert (text["window_start"], text["window_end"]) == ("", "")


def test_batches_in_gives_each_record_back_with_its_version_oldest_first() -> None:
    empty = replace(RECORD, batch_id="b" * 64, window_start=None, window_end=None)
    commits = ({"version": 7, **to_metadata(RECORD)}, {"version": 6}, {"version": 5, **to_metadata(empty)})
    table = Table(*commits)
    assert batches_in(table) == [replace(empty, dataset_version=5), replace(RECORD, dataset_version=7)]


def test_batches_in_no_table_are_none() -> None:
    assert batches_in(None) == []
