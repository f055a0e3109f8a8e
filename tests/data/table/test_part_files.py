"""What Delta's log says of a file's times: whole milliseconds are what they are, finer ones are rounded outwards."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.data.table.part_files import PartFile

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (NOON, "2026-01-31T12:00:00.000Z"),
        (NOON + timedelta(milliseconds=7), "2026-01-31T12:00:00.007Z"),
        (NOON + timedelta(microseconds=7001), "2026-01-31T12:00:00.008Z"),
        (NOON + timedelta(microseconds=999_999), "2026-01-31T12:00:01.000Z"),
    ],
)
def test_stats_last_time_gains_nothing_that_it_needs_not(last: datetime, said: str) -> None:
    part = PartFile(Path("x"), "2026-01")
    part.count(pl.DataFrame({"time": [NOON - timedelta(hours=1), last]}))
    assert json.loads(part.stats())["maxValues"]["time"] == said
