"""What the log says is what the files hold, and few of them are opened to know it."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.data.ingest import ingest
from almanac.data.table import maintenance
from almanac.data.table.log_statistics import pairs_of, time_bounds
from almanac.errors import TransientError
from tests.data.installation import START, Site, tiny_csv
from tests.data.parts import publish_rows
from tests.history import counts_of

MICROSECOND = timedelta(microseconds=1)


def publish(site: Site, batch: str, *times: timedelta) -> None:
    rows = {"Time": [START + time for time in times], "x": 1.0, "kind": "a"}
    frame = pl.DataFrame(rows).with_columns(pl.col("Time").cast(pl.Datetime("us", "UTC")))
    publish_rows(site.dataset, frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_row")), batch)


def test_time_range_is_exact_though_the_log_has_milliseconds(site: Site) -> None:
    publish(site, "a", timedelta(microseconds=1003), timedelta(hours=1, microseconds=400))
    publish(site, "b", timedelta(microseconds=1001), timedelta(hours=1, microseconds=401))
    first, last = START + timedelta(microseconds=1001), START + timedelta(hours=1, microseconds=401)
    assert site.dataset.time_range() == (first, last)
    assert site.dataset.snapshot().newest() == last


def test_time_range_of_many_files_opens_those_that_may_hold_the_ends(site: Site) -> None:
    for hour in range(12):
        publish(site, f"batch{hour}", timedelta(hours=hour), timedelta(hours=hour, minutes=30))
    assert site.dataset.time_range() == (START, START + timedelta(hours=11, minutes=30))
    assert counts_of(site.dataset.time_range).parts == 2


def test_time_bounds_without_statistics_are_read_from_the_files(tmp_path: Path) -> None:
    from deltalake import DeltaTable, write_deltalake

    rows = pl.DataFrame({"t": [START, START + MICROSECOND]}).with_columns(pl.col("t").cast(pl.Datetime("us", "UTC")))
    write_deltalake(str(tmp_path), rows, configuration={"delta.dataSkippingNumIndexedCols": "0"})
    assert time_bounds(DeltaTable(str(tmp_path)), "t") == (START, START + MICROSECOND)


def test_pairs_of_files_with_one_key_each_are_known_without_opening_them(tmp_path: Path) -> None:
    from deltalake import DeltaTable, write_deltalake

    for key in ("1", "2", "3"):
        write_deltalake(str(tmp_path), pl.DataFrame({"k": [key] * 2, "v": [f"v{key}"] * 2}), mode="append")
    write_deltalake(str(tmp_path), pl.DataFrame({"k": ["4", "5"], "v": ["v4", "v5"]}), mode="append")
    table = DeltaTable(str(tmp_path))
    assert pairs_of(table, "k", "v") == {key: f"v{key}" for key in "12345"}
    assert counts_of(lambda: pairs_of(table, "k", "v")).parts == 1


def test_ingest_compacts_as_soon_as_so_many_files_could_be_joined(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "CROWDED", 2)
    active = []
    for hour in range(5):
        site.land(f"{hour}.csv", tiny_csv([(hour, 1, "a")]))
        site.ingest()
        active.append(len(site.dataset.snapshot().table.file_uris()))
    assert active == [1, 2, 3, 1, 2]
    assert site.dataset.count() == 5


def test_ingest_of_many_files_compacts_on_the_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "CROWDED", 2)
    monkeypatch.setattr(ingest, "CROWDED", 2)
    for hour in range(6):
        site.land(f"{hour}.csv", tiny_csv([(hour, 1, "a")]))
    site.ingest()
    assert len(site.dataset.snapshot().table.file_uris()) == 3
    assert site.dataset.count() == 6


def test_ingest_whose_compaction_fails_has_published_all_the_same(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> int:
        raise TransientError("another writer")

    monkeypatch.setattr(maintenance, "CROWDED", 0)
    monkeypatch.setattr(maintenance, "compact", fail)
    for hour in range(2):
        site.land(f"{hour}.csv", tiny_csv([(hour, 1, "a")]))
    assert site.ingest().published_batches == 2
