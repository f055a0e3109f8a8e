"""Features as pure functions of the frame: one code path for training, scoring and monitoring."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.config.sections.features import (
    CategoryFeature,
    ColumnFeature,
    RollingFeature,
    TextFeature,
    TimeFeature,
    names_of,
)
from almanac.config.sections.own_features import OwnFeatures
from almanac.errors import DataError
from almanac.features.categories import category_codes
from almanac.features.own import own_features, own_sha256
from almanac.features.rolling import rolling
from almanac.features.text import fill_text
from almanac.features.time_join import check_frame, value_at

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

MOST_BYTES = 4 << 30
"""Of one matrix of features: float32, and estimators copy it once or twice."""

_VALUE_BYTES = 4
_DAY_S = 86_400
_YEAR_DAYS = 365.25  # the mean length, so that the circle stays closed over leap years


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """What a model sees.

    Attributes:
        names: k names, in the order of the columns of `values`.
        values: float32 [n, k]; NaN where a value is unknown. Row i belongs to row i of the frame.
        times: datetime64[us] [n], UTC.
        code: SHA-256 of the team's own code that made some of the columns; empty: there is none.
    """

    names: tuple[str, ...]
    values: "NDArray[np.float32]"
    times: "NDArray[np.datetime64]"
    code: str = ""

    def taken(self, rows: "NDArray[Any] | slice") -> "FeatureMatrix":
        """Some of its rows."""
        return replace(self, values=self.values[rows], times=self.times[rows])


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
    names = names_of(model.features)
    _check_size(model, frame.height, len(names))
    values = np.empty((frame.height, len(names)), dtype=np.float32)
    position = 0
    for feature in model.features:
        block = values[:, position : position + len(feature.names)]
        position += block.shape[1]
        if isinstance(feature, TextFeature):
            fill_text(feature, frame[feature.text], block)
            continue
        if isinstance(feature, OwnFeatures):
            block[:] = own_features(model, feature, frame)
            continue
        for column, series in zip(block.T, _columns(model, feature, frame), strict=True):
            column[:] = series.to_numpy()
        block[~np.isfinite(block)] = np.nan  # an infinite reading is no reading; no estimator takes it
    times = frame[model.dataset.time].dt.cast_time_unit("us").dt.replace_time_zone(None).to_numpy()
    return FeatureMatrix(names, values, times.astype("datetime64[us]"), own_sha256(model))


def feature_columns(model: Model) -> tuple[str, ...]:
    """The columns of the dataset that `build_features` reads: time, key and what features name."""
    used = (column for feature in model.features for column in feature.columns)
    return tuple(dict.fromkeys((model.dataset.time, *model.dataset.key, *used)))


def history_needed(model: Model) -> timedelta:
    """The longest look back of any feature: rows this much before a window are needed to build it."""
    return max(feature.history for feature in model.features)


def text_places(model: Model) -> tuple[int, ...]:
    """The places in the matrix of the columns of texts."""
    kinds = (isinstance(feature, TextFeature) for feature in model.features for _ in feature.names)
    return tuple(place for place, is_text in enumerate(kinds) if is_text)


def rows_at_once(model: Model, most: int) -> int:
    """How many rows' features fit into memory at once, at most `most`."""
    return max(min(most, MOST_BYTES // 4 // _VALUE_BYTES // max(len(names_of(model.features)), 1)), 1)


def _check_size(model: Model, rows: int, columns: int) -> None:
    """Refuse a matrix that would take the machine's memory.

    Raises:
        DataError: it is larger than `MOST_BYTES`.
    """
    if rows * columns * _VALUE_BYTES > MOST_BYTES:
        size, most = rows * columns * _VALUE_BYTES / 1e9, MOST_BYTES / 1e9
        raise DataError(
            f"{model.name}: {rows:,} rows with {columns:,} features need {size:.1f} GB of memory, expected at most"
            f" {most:.1f}. Declare a smaller hash or smaller windows, or expire old rows"
        )


def _columns(
    model: Model, feature: "ColumnFeature | RollingFeature | CategoryFeature | TimeFeature", frame: "pl.DataFrame"
) -> tuple["pl.Series", ...]:
    """The columns of one feature, float64, null or NaN where unknown."""
    if isinstance(feature, TimeFeature):
        return _of_time(feature, frame[model.dataset.time])
    if isinstance(feature, RollingFeature):
        return (rolling(model, frame, feature),)
    if isinstance(feature, CategoryFeature):
        return (category_codes(frame[feature.column]),)
    return _of_column(model, feature, frame)


def _of_column(model: Model, feature: ColumnFeature, frame: "pl.DataFrame") -> tuple["pl.Series", ...]:
    values = frame[feature.column]
    match feature.form:
        case "equals" | "one_of":
            return tuple(_number(values == value) for value in feature.one_of or (feature.equals,))
        case "cycle":
            return _circle(_number(values) / feature.cycle)
        case "change":
            return (_number(values) - _number(value_at(model, frame, feature.column, -feature.history)),)
        case "lag":
            return (_number(value_at(model, frame, feature.column, -feature.history)),)
        case "missing":
            unknown = values.is_null() | (values.is_nan() if values.dtype.is_float() else False)
            return (_number(unknown),)
        case "age":
            return ((frame[model.dataset.time] - values).dt.total_seconds(fractional=True) / 3600,)
    return (_number(values),)


def _number(values: "pl.Series") -> "pl.Series":
    import polars as pl

    return values.cast(pl.Float64)


def _of_time(feature: TimeFeature, times: "pl.Series") -> tuple["pl.Series", ...]:
    """The share of the day, the week or the year that has passed, on a circle; or whether it is weekend."""
    local = times.dt.convert_time_zone(feature.timezone)
    hours, minutes, seconds = (_number(part) for part in (local.dt.hour(), local.dt.minute(), local.dt.second()))
    day = (hours * 3600 + minutes * 60 + seconds) / _DAY_S  # as floats: a minute of Int8 times 60 overflows
    match feature.time:
        case "hour_of_day":
            return _circle(day)
        case "day_of_week":
            return _circle((local.dt.weekday() - 1 + day) / 7)
        case "day_of_year":
            return _circle((local.dt.ordinal_day() - 1 + day) / _YEAR_DAYS)
    return (_number(local.dt.weekday() >= 6),)


def _circle(turns: "pl.Series") -> tuple["pl.Series", "pl.Series"]:
    import math

    angle = turns * (2 * math.pi)
    return angle.sin(), angle.cos()
