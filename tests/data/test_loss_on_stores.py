"""What is lost in an object store is noticed there, too."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import polars as pl
import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.data_files import active_files
from almanac.data.table.delta_log import commit_file, log_problems
from almanac.data.table.delta_table import open_table
from almanac.errors import DataLossError
from almanac.scoring.predictions import PredictionTable
from almanac.storage.objects import open_store
from tests.servers.stores import Store


@pytest.fixture
def predictions(any_store: Store, tmp_path: Path) -> PredictionTable:
    """Two commits."""
    home = Home(home=tmp_path).model_copy(update={"predictions": f"{any_store.uri}/predictions"})
    table = PredictionTable.of(home, find_model(MODELS_FOLDER, "weather"))
    for day in (1, 2):
        predict(table, day)
    return table


def predict(table: PredictionTable, day: int) -> int:
    since = datetime(2026, 1, day, tzinfo=UTC)
    rows = pl.DataFrame({"time": [since], "model_version": ["1"], "_day": [f"2026-01-{day:02}"], "_window": ["w"]})
    return table.replace(rows, "1", since, since + timedelta(days=1), metadata={})


def read(table: PredictionTable) -> pl.DataFrame:
    return table.read("1", since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 1, 3, tzinfo=UTC))


def test_table_of_a_store_is_written_read_and_guarded(predictions: PredictionTable) -> None:
    assert read(predictions).height == 2
    obstore.delete(*open_store(f"{predictions.uri}/{commit_file(1)}"))

    with pytest.raises(DataLossError, match="is behind: its newest version is 0, expected at least 1"):
        predict(predictions, 3)


def test_empty_commit_in_a_store_is_found(predictions: PredictionTable) -> None:
    predict(predictions, 3)
    obstore.put(*open_store(f"{predictions.uri}/{commit_file(1)}"), b"")

    assert [line.rsplit("/", 1)[-1] for line in log_problems(predictions.uri)] == [f"{1:020}.json is empty"]


def test_object_that_is_gone_is_named_before_anything_is_read(predictions: PredictionTable) -> None:
    name = min(active_files(open_table(predictions.uri)))
    obstore.delete(*open_store(f"{predictions.uri}/{name}"))

    with pytest.raises(DataLossError, match=f"1 files are damaged or missing: {name} is missing"):
        read(predictions)
