"""What the log of a Delta table says of its files' values, so that few or none of them are opened."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.data.table.data_files import table_location
from almanac.data.table.delta_table import collect, scan_table

if TYPE_CHECKING:
    import polars as pl

_ROUNDED = timedelta(milliseconds=2)  # the log has whole milliseconds, rounded outwards by us, down by others


def time_bounds(table: Any, column: str, **partition: str) -> tuple[datetime, datetime] | None:
    """The first and the last time in a column; None where there is none.

    Only those files are opened that may hold one of the two: the log says which, and none of the others does.

    Args:
        table: the table.
        column: of times, in UTC.
        partition: only of the files with these values of partition columns.

    Raises:
        DataLossError: a file is missing or damaged.
        TransientError: the store is unreachable.
    """
    import polars as pl

    files = _files(table, partition)
    if not files.height:
        return None
    low, high = f"min.{column}", f"max.{column}"
    names = files["path"]
    if {low, high} <= set(files.columns):
        first, last = pl.col(low), pl.col(high)
        may_hold = (first <= first.min() + _ROUNDED) | (last >= last.max() - _ROUNDED)
        names = files.filter(may_hold | first.is_null() | last.is_null())["path"]
    rows = scan_table(table, names.to_list()).select(first=pl.col(column).min(), last=pl.col(column).max())
    begin, end = collect(rows, table_location(table)).row(0)
    return None if begin is None else (begin, end)


def pairs_of(table: Any, key: str, value: str, **partition: str) -> dict[str, str]:
    """The value of one text column for each of another, where all rows of a key have the same.

    A file in which each of the two has one value, by the log, is not opened.

    Args:
        table: the table.
        key: one column, of short texts.
        value: another one.
        partition: only of the files with these values of partition columns.

    Raises:
        DataLossError: a file is missing or damaged.
        TransientError: the store is unreachable.
    """
    import polars as pl

    files = _files(table, partition)
    ends = [f"{end}.{name}" for name in (key, value) for end in ("min", "max")]
    nulls = [f"null_count.{name}" for name in (key, value)]
    known = files.clear()
    if {*ends, *nulls} <= set(files.columns):
        one = (pl.col(ends[0]) == pl.col(ends[1])) & (pl.col(ends[2]) == pl.col(ends[3]))
        known = files.filter((one & pl.all_horizontal(pl.col(name) == 0 for name in nulls)).fill_null(False))
    found: dict[str, str] = dict(known.select(ends[0], ends[2]).iter_rows()) if known.height else {}
    others = files.filter(~pl.col("path").is_in(known["path"].implode()))["path"].to_list()
    if others:
        rows = scan_table(table, others).select(key, value).group_by(key).agg(pl.col(value).first())
        found.update(collect(rows, table_location(table), streaming=True).iter_rows())
    return found


def files_to_join(table: Any, month_column: str, small_bytes: int) -> int:
    """How many files fewer a table would have if the small ones of each month were one."""
    import polars as pl

    files = _files(table, {})
    if not files.height:
        return 0
    small = files.filter(pl.col("size_bytes") < small_bytes)
    months = small[f"partition.{month_column}"].n_unique() if small.height else 0
    return small.height - months


def _files(table: Any, partition: dict[str, str]) -> "pl.DataFrame":
    import polars as pl

    files = pl.DataFrame(table.get_add_actions(flatten=True))
    chosen = [pl.col(f"partition.{name}").cast(pl.String) == value for name, value in partition.items()]
    return files.filter(*chosen) if files.height and chosen else files
