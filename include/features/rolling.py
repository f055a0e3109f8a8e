"""Figures of the values in a window of time that ends at the row."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from include.config.features import RollingFeature
from include.config.schema import Model

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Values = NDArray[np.float64]


_MICROSECOND = timedelta(microseconds=1)


def rolling(model: Model, frame: "pl.DataFrame", feature: RollingFeature) -> "pl.Series":
    """The figure of the known values in `(t - over, t]` for each row, float64; NaN without any, but for `count`.

    Each window is summed anew: a running sum would make a row's value depend, in its last digits, on where the frame
    begins, and a row that is scored alone would differ from the one that was trained on.
    """
    import numpy as np
    import polars as pl

    time, per = model.dataset.time, feature.per or tuple(key for key in model.dataset.key if key != model.dataset.time)
    times = frame[time].dt.timestamp("us").to_numpy()
    values = frame[feature.column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    over = feature.over // _MICROSECOND
    result = np.full(frame.height, np.nan)
    for rows in _groups(frame, per):
        order = rows[np.lexsort((values[rows], times[rows]))]  # by value too: the frame's order says nothing
        result[order] = _figures(times[order], values[order], over, feature.take)
    return pl.Series(feature.names[0], result)


def _groups(frame: "pl.DataFrame", per: Sequence[str]) -> list["NDArray[np.intp]"]:
    import numpy as np
    import polars as pl

    if not per:
        return [np.arange(frame.height)]
    rows = frame.select(per).with_row_index("_row").group_by(per).agg(pl.col("_row"))["_row"]
    return [each.to_numpy().astype(np.intp) for each in rows]


def _figures(times: "NDArray[np.int64]", values: "Values", over: int, take: str) -> "Values":
    """Of one group, sorted by time."""
    import numpy as np

    start = np.searchsorted(times, times - over, side="right")
    end = np.searchsorted(times, times, side="right")
    edges = np.column_stack([start, end]).ravel()
    known = np.isfinite(values)

    def each(reduce: "np.ufunc", parts: "Values", nothing: float) -> "Values":
        # reduceat gives a figure for every stretch between edges; every second one is a window
        filled = np.append(np.where(known, parts, nothing), nothing)
        figures: Values = reduce.reduceat(filled, edges)[::2]
        return figures

    count = each(np.add, np.ones_like(values), 0.0)
    if take == "count":
        return count
    empty = count == 0
    if take in ("min", "max"):
        reduce, nothing = (np.minimum, np.inf) if take == "min" else (np.maximum, -np.inf)
        return np.where(empty, np.nan, each(reduce, values, nothing))
    total = np.where(empty, np.nan, each(np.add, values, 0.0))
    if take == "sum":
        return total
    mean = total / np.where(empty, 1.0, count)
    if take == "mean":
        return mean
    squares = each(np.add, np.square(np.where(known, values, 0.0)), 0.0) / np.where(empty, 1.0, count)
    spread: Values = np.sqrt(np.maximum(squares - mean**2, 0.0))
    return spread
