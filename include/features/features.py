"""Features as pure functions of the frame: one code path for training, scoring and monitoring."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from include.config.features import ColumnFeature, TimeFeature
from include.config.schema import Model
from include.config.types import format_duration
from include.features.time_join import check_frame, value_at

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

_DAY_S = 86_400
_YEAR_DAYS = 365.25  # the mean length, so that the circle stays closed over leap years


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """What a model sees.

    Attributes:
        names: k names, in the order of the columns of `values`.
        values: float32 [n, k]; NaN where a value is unknown. Row i belongs to row i of the frame.
        times: datetime64[us] [n], UTC.
    """

    names: tuple[str, ...]
    values: "NDArray[np.float32]"
    times: "NDArray[np.datetime64]"


def build_features(model: Model, frame: "pl.DataFrame") -> FeatureMatrix:
    """Build the features that the model's YAML declares, one row for each row of the frame.

    A row's features depend on that row and on rows before it, at most `history_needed` back; give those rows too.

    Args:
        model: declares the features.
        frame: the columns of `feature_columns`; times `Datetime(_, "UTC")`.

    Raises:
        DataError: a column is missing, times are not UTC, or two rows have one key.
    """
    import numpy as np

    check_frame(model, frame, feature_columns(model))
    columns = [column for feature in model.features for column in _columns(model, feature, frame)]
    values = np.empty((frame.height, len(columns)), dtype=np.float32)
    for place, (_, series) in enumerate(columns):
        values[:, place] = series.to_numpy()
    values[~np.isfinite(values)] = np.nan  # an infinite reading is no reading; no estimator takes it
    times = frame[model.dataset.time].dt.cast_time_unit("us").dt.replace_time_zone(None).to_numpy()
    return FeatureMatrix(tuple(name for name, _ in columns), values, times.astype("datetime64[us]"))


def feature_names(model: Model) -> tuple[str, ...]:
    """The names of the columns that `build_features` makes."""
    return tuple(name for feature in model.features for name in _names(feature))


def feature_columns(model: Model) -> tuple[str, ...]:
    """The columns of the dataset that `build_features` reads: time, key and what features name."""
    used = (feature.column for feature in model.features if isinstance(feature, ColumnFeature))
    return tuple(dict.fromkeys((model.dataset.time, *model.dataset.key, *used)))


def history_needed(model: Model) -> timedelta:
    """The longest look back of any feature: rows this much before a window are needed to build it."""
    changes = (feature.change for feature in model.features if isinstance(feature, ColumnFeature))
    return max((change for change in changes if change is not None), default=timedelta(0))


def _names(feature: ColumnFeature | TimeFeature) -> tuple[str, ...]:
    if isinstance(feature, TimeFeature):
        return f"{feature.time}_sin", f"{feature.time}_cos"
    if feature.cycle is not None:
        return f"{feature.column}_sin", f"{feature.column}_cos"
    if feature.change is not None:
        return (f"{feature.column}_change_{format_duration(feature.change)}",)
    if feature.equals is not None:
        return (f"{feature.column}_is_{feature.equals}",)
    return (feature.column,)


def _columns(
    model: Model, feature: ColumnFeature | TimeFeature, frame: "pl.DataFrame"
) -> Iterator[tuple[str, "pl.Series"]]:
    """The columns of one feature, float64, null or NaN where unknown."""
    names = _names(feature)
    if isinstance(feature, TimeFeature):
        return zip(names, _circle(_place_in_time(feature, frame[model.dataset.time])), strict=True)
    values = frame[feature.column]
    if feature.equals is not None:
        return zip(names, [_number(values == feature.equals)], strict=True)
    if feature.cycle is not None:
        return zip(names, _circle(_number(values) / feature.cycle), strict=True)
    if feature.change is not None:
        before = value_at(model, frame, feature.column, -feature.change)
        return zip(names, [_number(values) - _number(before)], strict=True)
    return zip(names, [_number(values)], strict=True)


def _number(values: "pl.Series") -> "pl.Series":
    import polars as pl

    return values.cast(pl.Float64)


def _place_in_time(feature: TimeFeature, times: "pl.Series") -> "pl.Series":
    """The share of the day or of the year that has passed."""
    import polars as pl

    seconds = times.dt.hour().cast(pl.Float64) * 3600 + times.dt.minute() * 60 + times.dt.second()
    if feature.time == "hour_of_day":
        return seconds / _DAY_S
    return (times.dt.ordinal_day() - 1 + seconds / _DAY_S) / _YEAR_DAYS


def _circle(turns: "pl.Series") -> tuple["pl.Series", "pl.Series"]:
    import math

    angle = turns * (2 * math.pi)
    return angle.sin(), angle.cos()
