"""Checkpoints of a log go, commits never; whatever version somebody needs still opens from the checkpoint before it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from almanac.data.table.log_checkpoints import unneeded_checkpoints

NOW = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Thirty commits, a checkpoint at every fifth: 4, 9, 14, 19, 24, 29."""
    uri = str(tmp_path / "table")
    for number in range(30):
        write_deltalake(uri, pl.DataFrame({"x": [number]}), mode="append")
        if number % 5 == 4:
            DeltaTable(uri).create_checkpoint()
    return uri


def versions(table: str, **how: object) -> list[int]:
    found = unneeded_checkpoints(table, **{"needed": (), "now": NOW, "spacing": 1000, **how})  # type: ignore[arg-type]
    return [int(file.name[:20]) for file in found]


def test_newest_checkpoint_stays(table: str) -> None:
    assert versions(table) == [4, 9, 14, 19, 24]


def test_checkpoint_before_each_needed_version_stays(table: str) -> None:
    assert versions(table, needed=(11, 14, 3)) == [4, 19, 24]


def test_one_checkpoint_in_so_many_versions_stays(table: str) -> None:
    assert versions(table, spacing=10) == [4, 14, 24]


def test_no_gap_grows_wider_than_it_may(table: str) -> None:
    left = sorted({4, 9, 14, 19, 24, 29} - set(versions(table, spacing=12)))
    assert all(after - before <= 12 for before, after in zip([0, *left], left, strict=False))


def test_young_checkpoints_stay(table: str) -> None:
    assert versions(table, now=datetime.now(UTC)) == []


def test_checkpoint_that_the_pointer_names_stays(table: str) -> None:
    """A log that was put back may point at an older one; without it the table would not open at all."""
    pointer = Path(table, "_delta_log", "_last_checkpoint")
    pointer.write_text(pointer.read_text("utf-8").replace('"version":29', '"version":19'), "utf-8")
    assert 19 not in versions(table)


def test_every_version_opens_after_the_removal(table: str) -> None:
    for file in unneeded_checkpoints(table, (12,), now=NOW, spacing=10, readers=timedelta()):
        Path(file.uri).unlink()
    assert len(list(Path(table, "_delta_log").glob("*.json"))) == 30
    assert [DeltaTable(table, version=number).count() for number in range(30)] == list(range(1, 31))


def test_no_table_has_no_checkpoints(tmp_path: Path) -> None:
    assert unneeded_checkpoints(str(tmp_path / "none"), (1,), now=NOW) == []
