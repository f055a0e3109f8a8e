"""Figures of the values in a window of time that ends at the row."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.features import RollingFeature

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Values = NDArray[np.float64]


_MICROSECOND = timedelta(microseconds=1)
_VALUES_AT_ONCE = 1 << 20
_CANCELLED = 1e-6  # a variance below this share of the mean square has lost half of its digits
_UNDERFLOWN = 1e-280  # squares this small may stand for larger ones that have lost digits


def rolling(model: Model, frame: "pl.DataFrame", feature: RollingFeature) -> "pl.Series":
    """The figure of the known values in `(t - over, t]` for each row, float64; NaN without any, but for `count`.

    Each window is summed separately: a running sum would make a row's value depend, in its last digits, on where the
    frame begins, and a row that is scored alone would differ from the one that was trained on.
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
    """Of each row of one group, sorted by time."""
    start, end = window_edges(times, times, over)
    return window_figures(values, start, end, take)


def window_edges(
    times: "NDArray[np.int64]", at: "NDArray[np.int64]", over: int
) -> "tuple[NDArray[np.intp], NDArray[np.intp]]":
    """Where the windows `(at - over, at]` begin and end among sorted times, all in microseconds."""
    import numpy as np

    return np.searchsorted(times, at - over, side="right"), np.searchsorted(times, at, side="right")


def window_figures(values: "Values", start: "NDArray[np.intp]", end: "NDArray[np.intp]", take: str) -> "Values":
    """The figure of each window `[start, end)` of one group's values, sorted by time, of one time by value.

    Args:
        values: NaN where unknown.
        start: of m windows, none of them empty.
        end: of the same.
        take: which figure.
    """
    import numpy as np

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
    low, high = each(np.minimum, values, np.inf), each(np.maximum, values, -np.inf)
    if take in ("min", "max"):
        return np.where(empty, np.nan, low if take == "min" else high)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # what is lost here is summed with care below
        total = np.where(empty, np.nan, each(np.add, values, 0.0))
        if take == "sum":
            return total
        figures = mean = total / np.where(empty, 1.0, count)
        doubtful = ~np.isfinite(mean)
        if take == "std":
            squares = each(np.add, np.square(values), 0.0) / np.where(empty, 1.0, count)
            variance = squares - mean**2
            safe = (variance > _CANCELLED * squares) & (squares > _UNDERFLOWN) & np.isfinite(squares)
            figures, doubtful = np.sqrt(np.where(safe, variance, 0.0)), ~safe & (low < high)
    doubtful &= ~empty
    figures[empty] = np.nan
    if doubtful.any():
        figures[doubtful] = _moments(values, known, start[doubtful], end[doubtful])[take == "std"]
    return figures


def _moments(
    values: "Values", known: "NDArray[np.bool_]", start: "NDArray[np.intp]", end: "NDArray[np.intp]"
) -> "tuple[Values, Values]":
    """Mean and standard deviation (divided by n) of the known values in each `[start, end)` that has any.

    In two passes with the correction of Chan, Golub and LeVeque (1983, equation 1.7): the mean of squares less the
    square of the mean has no right digit left where values of one level lie close together. Each window is scaled by a
    power of two, which changes no digit, so that no finite number overflows.
    """
    import numpy as np

    means, deviations = np.empty(len(start)), np.empty(len(start))
    for rows in _stretches(end - start):
        first, length = start[rows], (end - start)[rows]
        ends = np.cumsum(length)
        window = np.repeat(np.arange(len(length)), length)
        inside = np.arange(ends[-1]) - np.repeat(ends - length, length) + np.repeat(first, length)
        inside, window = inside[known[inside]], window[known[inside]]
        count = np.bincount(window, minlength=len(length)).astype(float)
        largest = np.zeros(len(length))
        np.maximum.at(largest, window, np.abs(values[inside]))
        exponent = np.frexp(largest)[1]
        scaled = np.ldexp(values[inside], -exponent[window])
        mean = np.bincount(window, scaled, len(length)) / count
        off = scaled - mean[window]
        spread = np.bincount(window, off * off, len(length)) - np.bincount(window, off, len(length)) ** 2 / count
        means[rows] = np.ldexp(mean, exponent)
        deviations[rows] = np.ldexp(np.sqrt(np.maximum(spread / count, 0.0)), exponent)
    return means, deviations


def _stretches(lengths: "NDArray[np.intp]") -> Iterator[slice]:
    """Slices of windows that hold about a million values together, or one window that holds more."""
    import numpy as np

    borders = np.flatnonzero(np.diff(np.cumsum(lengths) // _VALUES_AT_ONCE)) + 1
    return (slice(first, last) for first, last in pairwise([0, *borders.tolist(), len(lengths)]) if last > first)
