"""Looks up what a column says at another time. By time, never by row number: hours can be missing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_THERE = "_value_there"


def value_at(model: Model, frame: "pl.DataFrame", column: str, offset: timedelta) -> "pl.Series":
    """For each row at *t*: the column's value of the same key at exactly *t + offset*, null where there is no such row.

    Shifting rows instead would silently take a wrong hour wherever one is missing or doubled.
    """
    import polars as pl

    time = model.dataset.time
    join_on = list(dict.fromkeys((time, *model.dataset.key)))
    there = frame.select(*join_on, pl.col(column).alias(_THERE)).with_columns(pl.col(time) - offset)
    joined = frame.select(join_on).join(there, on=join_on, how="left", maintain_order="left")
    return joined[_THERE].alias(column)


def check_frame(model: Model, frame: "pl.DataFrame", columns: Sequence[str]) -> None:
    """Refuse a frame that features and labels cannot be built from.

    Raises:
        DataError: a column is missing, times are not UTC, or two rows have one key.
    """
    import polars as pl

    name, time = model.name, model.dataset.time
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(f"{name}: columns {missing} are missing; got {frame.columns}, expected {list(columns)}")
    kind = frame.schema[time]
    if not isinstance(kind, pl.Datetime) or kind.time_zone != "UTC":
        raise DataError(f"{name}: column {time}: got type {kind}, expected times in UTC; read it through the dataset")
    doubled = frame.height - frame.n_unique(subset=list(dict.fromkeys((time, *model.dataset.key))))
    if doubled:
        raise DataError(f"{name}: {doubled} rows have the key of another row; expected each {model.dataset.key} once")
