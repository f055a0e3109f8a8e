"""Publishes a frame without a file: what tests of readers need."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from almanac.data.table.dataset import DatasetTable
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.delta_table import BATCH, MONTH
from almanac.data.table.part_files import PartWriter


def publish_rows(
    dataset: DatasetTable,
    rows: pl.DataFrame,
    batch_id: str,
    after: DatasetSnapshot | None = None,
    replaced: Sequence[pl.DataFrame] = (),
) -> int:
    """Publish the declared columns and `_row` as one batch, in the place of others if there are any."""
    with TemporaryDirectory() as folder:
        writer = PartWriter(Path(folder), MONTH)
        month = pl.col(dataset.time_column).dt.strftime("%Y-%m").alias(MONTH)
        writer.write(rows.with_columns(pl.lit(batch_id).alias(BATCH), month))
        writer.close()
        snapshot = after or dataset.snapshot()
        return dataset.publish(writer.parts, batch_id, after=snapshot, metadata={"batch": batch_id}, replaced=replaced)
