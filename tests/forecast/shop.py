"""A made-up retailer: weekly sales of stores, with a season of a year, a trend and noise."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from almanac.config.files.loader import find_forecast
from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import commit, open_table

START = datetime(2022, 1, 3, tzinfo=UTC)
WEEK = timedelta(days=7)
WEEKS = 100
NEWEST = START + (WEEKS - 1) * WEEK
NOW = NEWEST + timedelta(days=2)
MODEL: dict[str, Any] = {
    "kind": "forecast",
    "title": "Weekly sales",
    "description": "Sales of each store, four weeks ahead.",
    "owner": "shops",
    "source": {
        "kind": "files",
        "settle": "5s",
        "patience": "10m",
        "poll": "2s",
        "sweep": "*/10 * * * *",
        "max_size_mb": 64,
        "max_unpacked_mb": 256,
    },
    "dataset": {
        "time": "Date",
        "step": "7d",
        "key": ["Store", "Date"],
        "origin": "Made up.",
        "licence": "Made by this project.",
        "on_unexpected_column": "drop",
        "max_bad_share": 0.2,
        "columns": {
            "Store": {"type": "string"},
            "Date": {"type": "timestamp"},
            "Weekly_Sales": {"type": "float", "nullable": True},
        },
    },
    "forecast": {
        "target": "Weekly_Sales",
        "grain": ["Store"],
        "horizon": 4,
        "season": [12],
        "candidates": {"naive": {}, "drift": {}, "level": {}, "seasonal_mean": {}, "ridge": {}},
        "choose": {"backtests": 3},
    },
    "alerts": {"channels": {}, "remind_after": "1d"},
}


def declare(folder: Path, changes: Mapping[str, Any] | None = None, name: str = "sales") -> ForecastModel:
    """Write the declaration, with changes of its section `forecast`, and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    declared = {**MODEL, "forecast": {**MODEL["forecast"], **(changes or {})}}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")
    return find_forecast(folder, name)


def sales(stores: int, weeks: int = WEEKS, seed: int = 1) -> dict[str, np.ndarray]:
    """Weekly sales by store: 1,000 to 2,000, a season of 12 weeks."""
    draw = np.random.default_rng(seed)
    steps = np.arange(weeks)
    return {
        f"S{store:05}": 1000.0
        + 1000 * draw.random()
        + 200 * np.sin(2 * np.pi * steps / 12 + draw.random())
        + draw.normal(0, 30, weeks)
        for store in range(stores)
    }


def rows_of(series: Mapping[str, np.ndarray], start: datetime = START) -> pl.DataFrame:
    parts = [
        pl.DataFrame({"Store": [store] * len(values), "Date": [start + week * WEEK for week in range(len(values))],
                      "Weekly_Sales": values})
        for store, values in series.items()
    ]  # fmt: skip
    return pl.concat(parts).with_columns(pl.col("Date").cast(pl.Datetime("us", "UTC")))


def publish(home: Home, rows: pl.DataFrame, name: str = "sales", *, replace: bool = False) -> int:
    """Commit rows to the dataset as they are, beside or in place of its own: the ingest is tested elsewhere."""
    uri = home.dataset_of(name)
    table = open_table(uri)
    version = 0 if table is None else table.version() + 1
    internal = rows.with_row_index("_row").with_columns(
        pl.col("_row").cast(pl.Int64), pl.lit(f"b{version}").alias("_batch"), pl.lit("2022-01").alias("_month")
    )
    instead = "_row >= 0" if replace else None
    return commit(
        uri, table, internal, batch_id=f"b{version}", sequence=1, metadata={}, partition_by=["_month"], replace=instead
    )
