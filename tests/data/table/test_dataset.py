"""The dataset: one commit per batch, readable at every version."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.config.sections.dataset import Column
from almanac.data.table import delta_parts
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_table import NO_VERSION, ConcurrentCommitError
from almanac.errors import DataError
from tests.data.parts import publish_rows

START = datetime(2021, 1, 31, 20, tzinfo=UTC)


def _rows(count: int, start: datetime = START) -> pl.DataFrame:
    times = [start + timedelta(hours=hour) for hour in range(count)]
    return pl.DataFrame(
        {"Time": times, "x": [float(n) for n in range(count)], "_row": list(range(1, count + 1))},
        schema_overrides={"Time": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetTable:
    columns = {"Time": Column(type="timestamp"), "x": Column(type="float")}
    return DatasetTable(str(tmp_path / "rows"), time_column="Time", columns=columns)


def test_read_missing_dataset_says_what_to_do(dataset: DatasetTable) -> None:
    assert not dataset.exists()
    assert dataset.snapshot().version == NO_VERSION
    with pytest.raises(DataError, match=r"no dataset; got nothing .*expected a table .*its ingest DAG publishes it"):
        dataset.read()


def test_publish_first_batch_creates_table(dataset: DatasetTable) -> None:
    assert publish_rows(dataset, _rows(8), "a") == 0
    read = dataset.read()
    assert read.columns == ["Time", "x"]
    assert read.schema["Time"] == pl.Datetime("us", "UTC")
    assert dataset.time_range() == (START, START + timedelta(hours=7))


def test_read_is_ordered_by_time_whatever_the_order_of_arrival(dataset: DatasetTable) -> None:
    publish_rows(dataset, _rows(4, START + timedelta(hours=4)), "late")
    publish_rows(dataset, _rows(4).reverse(), "early")
    assert dataset.read()["Time"].to_list() == [START + timedelta(hours=hour) for hour in range(8)]


def test_read_window_is_half_open_and_crosses_months(dataset: DatasetTable) -> None:
    publish_rows(dataset, _rows(10), "a")
    read = dataset.read(since=START + timedelta(hours=2), until=START + timedelta(hours=6), columns=["x"])
    assert read["x"].to_list() == [2.0, 3.0, 4.0, 5.0]


def test_read_internal_columns_when_named(dataset: DatasetTable) -> None:
    publish_rows(dataset, _rows(6), "a")
    read = dataset.read(columns=["_batch", "_row", "_month"])
    assert read["_batch"].unique().to_list() == ["a"]
    assert sorted(read["_month"].unique()) == ["2021-01", "2021-02"]


def test_read_unknown_column_raises(dataset: DatasetTable) -> None:
    publish_rows(dataset, _rows(1), "a")
    with pytest.raises(DataError, match=r"no columns \['y'\]; it has"):
        dataset.read(columns=["y"])


def test_read_old_version_still_shows_old_rows(dataset: DatasetTable) -> None:
    first = publish_rows(dataset, _rows(3), "a")
    second = publish_rows(dataset, _rows(3, START + timedelta(hours=3)), "b")
    assert (dataset.count(first), dataset.count(second), dataset.version()) == (3, 6, second)
    assert dataset.read(version=first).height == 3
    with pytest.raises(DataError, match="no version 9; it has versions 0 to 1"):
        dataset.read(version=9)


def test_publish_after_stale_snapshot_is_refused_and_changes_nothing(dataset: DatasetTable) -> None:
    publish_rows(dataset, _rows(3), "a")
    stale = dataset.snapshot()
    publish_rows(dataset, _rows(3, START + timedelta(hours=3)), "b")
    with pytest.raises(ConcurrentCommitError, match="version 1 was committed meanwhile"):
        publish_rows(dataset, _rows(3, START + timedelta(hours=6)), "c", after=stale)
    assert dataset.count() == 6


def test_publish_two_first_batches_at_once_only_one_creates(dataset: DatasetTable) -> None:
    before = dataset.snapshot()
    publish_rows(dataset, _rows(3), "a", after=before)
    with pytest.raises(ConcurrentCommitError):
        publish_rows(dataset, _rows(3), "b", after=before)
    assert dataset.count() == 3


def test_snapshot_holds_published_batch(dataset: DatasetTable) -> None:
    publish_rows(dataset, _rows(3), "a")
    assert dataset.snapshot().holds("a")
    assert not dataset.snapshot().holds("b")


def test_publish_empty_frame_registers_batch(dataset: DatasetTable) -> None:
    publish_rows(dataset, _rows(3), "a")
    publish_rows(dataset, _rows(3).clear(), "none")
    assert dataset.snapshot().holds("none")
    assert dataset.count() == 3


def test_publish_fault_after_the_commit_leaves_its_files_alone(
    dataset: DatasetTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the checkpoint that follows every so many commits: the commit stands, and names its files."""
    settings = {**delta_parts.CONFIGURATION, "delta.checkpointInterval": "2"}
    monkeypatch.setattr(delta_parts, "CONFIGURATION", settings)
    publish_rows(dataset, _rows(3), "first")
    in_the_way = Path(dataset.uri) / "_delta_log" / f"{1:020}.checkpoint.parquet" / "file"
    in_the_way.mkdir(parents=True)
    assert publish_rows(dataset, _rows(3, START + timedelta(hours=3)), "second") == 1
    assert dataset.snapshot().holds("second")
    assert dataset.count() == dataset.read().height == 6
