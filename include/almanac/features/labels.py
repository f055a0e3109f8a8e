"""Labels look forward: row *t* carries what is true at *t + horizon*, joined on time."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.errors import DataError
from almanac.features.time_join import check_frame, value_at

if TYPE_CHECKING:
    import polars as pl


def labels(model: Model, frame: "pl.DataFrame", *, now: datetime) -> "pl.Series":
    """The label of each row of the frame.

    Args:
        model: declares column, value (none: the label is the column's number) and horizon.
        frame: the columns of `label_columns`; times in UTC.
        now: aware; a label that becomes known after it (`label.delay`) is not known yet.

    Returns:
        Int8 [n], 1 where the column has the value at exactly *t + horizon*, else 0; of several classes the position of
        the class in their order; of a number Float64. Null where that hour is missing, has no value, or lies after
        `now`.

    Raises:
        DataError: a column is missing, times are not UTC, or two rows have one key; `now` has no zone.
    """
    import polars as pl

    if now.tzinfo is None:
        raise DataError(f"{model.name}: labels: now: got the naive {now}, expected a time with its zone, such as UTC")
    check_frame(model, frame, label_columns(model))
    ahead = value_at(model, frame, model.label.column, model.label.horizon)
    known = frame[model.dataset.time] + model.label.known_after <= now
    found = pl.DataFrame({"ahead": _as_label(model, ahead), "known": known})
    # `when` without `otherwise` gives null, and null stays null: no label is ever invented
    return found.select(pl.when("known").then("ahead").alias(model.label.name)).to_series()


def state_now(model: Model, frame: "pl.DataFrame") -> "pl.Series":
    """What the label's column says at *t* itself, as a label [n]; null where unknown. Persistence predicts this."""
    return _as_label(model, frame[model.label.column]).alias("state_now")


def state_before(model: Model, frame: "pl.DataFrame", season: timedelta) -> "pl.Series":
    """What the label's column said one season before the predicted time, as a label [n]; null where unknown."""
    there = value_at(model, frame, model.label.column, model.label.horizon - season)
    return _as_label(model, there).alias("state_before")


def _as_label(model: Model, values: "pl.Series") -> "pl.Series":
    """Values of the label's column as labels: 0 and 1, positions of classes, or finite numbers."""
    import polars as pl

    if (classes := model.label.classes) is not None:
        other = model.label.other
        unknown = None if other is None else classes.index(other)
        found = values.replace_strict(classes, range(len(classes)), default=unknown, return_dtype=pl.Int8)
        return found.set(values.is_null(), None)
    if model.label.equals is not None:
        return (values == model.label.equals).cast(pl.Int8)
    numbers = values.cast(pl.Float64)
    return numbers.to_frame("number").select(pl.when(pl.col("number").is_finite()).then("number")).to_series()


def label_columns(model: Model) -> tuple[str, ...]:
    """The columns of the dataset that `labels` reads."""
    return tuple(dict.fromkeys((model.dataset.time, *model.dataset.key, model.label.column)))
