"""Parts of the year or day that a candidate must not be worse in."""

from typing import TYPE_CHECKING

from include.config.gates import Segment

if TYPE_CHECKING:
    import polars as pl

SEASONS = ("winter", "spring", "summer", "autumn")


def segment_of(by: Segment, time: str) -> "pl.Expr":
    """The name of each row's segment, from its event time in UTC.

    Seasons are the meteorological ones of the northern half: winter is December to February. Months are `01` to
    `12`, hours `00` to `23`.
    """
    import polars as pl

    if by == "season":
        season = pl.col(time).dt.month() % 12 // 3
        return season.replace_strict(dict(enumerate(SEASONS)), return_dtype=pl.String)
    part = pl.col(time).dt.month() if by == "month" else pl.col(time).dt.hour()
    return part.cast(pl.String).str.zfill(2)
