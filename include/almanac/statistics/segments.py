"""Parts of the year or day, or groups of rows, that a candidate must not be worse in."""

from typing import TYPE_CHECKING, get_args

from almanac.config.sections.gates import Segment
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

SEASONS = ("winter", "spring", "summer", "autumn")


def with_segment(rows: "pl.DataFrame", by: str) -> "pl.DataFrame":
    """The rows of a backtest with `segment`: a part of time, or what the rows say already. Unknown is `unknown`."""
    import polars as pl

    if by in get_args(Segment):
        return rows.with_columns(segment_of(by, "time").alias("segment"))  # type: ignore[arg-type]
    if "segment" not in rows.columns:
        raise DataError(f"gates.segments.by: the backtest has no {by}; it was written before {by} was declared")
    return rows.with_columns(pl.col("segment").fill_null("unknown"))


def segment_of(by: Segment, time: str) -> "pl.Expr":
    """The name of each row's segment, from its event time in UTC.

    Seasons are the meteorological ones of the northern half: winter is December to February. Months are `01` to
    `12`, hours `00` to `23`. `all` is one segment.
    """
    import polars as pl

    if by == "all":
        return pl.lit("all")
    if by == "season":
        season = pl.col(time).dt.month() % 12 // 3
        return season.replace_strict(dict(enumerate(SEASONS)), return_dtype=pl.String)
    part = pl.col(time).dt.month() if by == "month" else pl.col(time).dt.hour()
    return part.cast(pl.String).str.zfill(2)
