"""Rows that were there before: in the same batch, or in the dataset."""

from datetime import timedelta
from typing import TYPE_CHECKING

from include.config.schema import Dataset
from include.data.dataset import ROW, Snapshot, time_bounds
from include.validation.rules import IN_DATASET

if TYPE_CHECKING:
    import polars as pl

_TICK = timedelta(microseconds=1)


def drop_repeated(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Keep the first of rows that are equal in everything declared."""
    return frame.unique(subset=[name for name in frame.columns if name != ROW], keep="first", maintain_order=True)


def compare_with_dataset(frame: "pl.DataFrame", snapshot: Snapshot, dataset: Dataset) -> "pl.DataFrame":
    """Leave out rows that the dataset holds already, and mark those whose key it holds with other values.

    Returns:
        The frame with the helper column IN_DATASET: text where the dataset holds another row of this key, else null.
    """
    import polars as pl

    unmarked = frame.with_columns(pl.lit(None, pl.String).alias(IN_DATASET))
    published = _published(frame, snapshot, dataset)
    if published is None or published.is_empty():
        return unmarked
    values = [name for name in dataset.columns if name not in dataset.key]
    renamed = published.rename({name: f"{name}.published" for name in values}).with_columns(found=True)
    joined = frame.join(renamed, on=list(dataset.key), how="left", maintain_order="left")
    equal = pl.all_horizontal(pl.lit(True), *(pl.col(name).eq_missing(pl.col(f"{name}.published")) for name in values))
    found = pl.col("found").fill_null(False)
    other = pl.when(found).then(pl.lit("other values")).alias(IN_DATASET)
    return joined.filter(~(found & equal)).select(*frame.columns, other)


def _published(frame: "pl.DataFrame", snapshot: Snapshot, dataset: Dataset) -> "pl.DataFrame | None":
    columns = list(dataset.columns)
    if snapshot.table is None:
        return None
    if dataset.time not in dataset.key:  # the same key may stand at any time
        return snapshot.rows(columns)
    bounds = time_bounds(frame[dataset.time])
    if bounds is None:
        return None
    months = frame[dataset.time].dt.strftime("%Y-%m").drop_nulls().unique()
    return snapshot.rows(columns, since=bounds[0], until=bounds[1] + _TICK, months=months.to_list())
