"""The part of the dataset that a batch is compared with as a whole."""

from datetime import timedelta
from math import gcd
from statistics import median
from typing import TYPE_CHECKING

from almanac.config.sections.dataset import Dataset, Skew
from almanac.data.formats.reader import ROW
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.delta_table import MONTH, scan_table

if TYPE_CHECKING:
    import polars as pl

_ROWS = 20_000  # quantiles of 3,000 rows are right to a fortieth of a deviation
_DAY = 24 * 60
_NEXT_TO = timedelta(days=45)
_BATCHES = 20


def reference_rows(
    batch: "pl.DataFrame", snapshot: DatasetSnapshot, dataset: Dataset, skew: Skew
) -> "pl.DataFrame | None":
    """Published rows like those that the batch should hold; None where there are too few.

    They are those of the same calendar months within `skew.history` around the batch; where these are few, those within
    45 days of it: a summer must not be judged by a winter. A delivery without times has no summer: for it they are all
    that arrived within `skew.history`.

    Args:
        batch: the column of event time.
        snapshot: the dataset.
        dataset: the declared columns.
        skew: the limits.
    """
    import polars as pl

    time = pl.col(dataset.time)
    first, last = batch.select(first=time.quantile(0.01), last=time.quantile(0.99)).row(0)
    months = batch[dataset.time].dt.month().drop_nulls().unique().to_list()
    # comparisons need this many rows on both sides, and reading hundreds of files would cost most of a batch's time
    if snapshot.table is None or first is None or batch.height < skew.min_rows:
        return None
    published, held = scan_table(snapshot.table), snapshot.rows_by_month()
    calendar = pl.col(MONTH).str.tail(2).cast(pl.Int8).is_in(months)
    every_month = pl.lit(True)
    wanted_months = [(skew.history, calendar), (_NEXT_TO, every_month)]
    for around, also in [(skew.history, every_month)] if dataset.is_arrival else wanted_months:
        since, until = (first - around).strftime("%Y-%m"), (last + around).strftime("%Y-%m")
        near = pl.col(MONTH).is_between(pl.lit(since), pl.lit(until)) & also
        count = int(held.filter(near)["rows"].sum())  # of whole months: a little more than there are
        if count < skew.min_rows:
            continue
        every = _coprime_with_a_day(count // _ROWS + 1)
        wanted = published.filter(near & time.is_between(first - around, last + around) & (pl.col(ROW) % every == 0))
        rows = wanted.select(list(dataset.columns)).collect(engine="streaming")
        if rows.height >= skew.min_rows:
            return rows
    return None


def _coprime_with_a_day(number: int) -> int:
    """The next number that shares no factor with a day: every 24th row of an hourly file would be of one hour."""
    while gcd(number, _DAY) != 1:
        number += 1
    return number


def usual_rows(snapshot: DatasetSnapshot) -> float | None:
    """The median number of rows of the last batches; None where there were fewer than five."""
    sizes = snapshot.batch_sizes(_BATCHES)
    return median(sizes) if len(sizes) >= 5 else None
