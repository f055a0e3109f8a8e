"""The rows that features look back to, found by key and time without a frame."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Times = NDArray[np.int64]
    Values = NDArray[np.float64]

Key = tuple[object, ...]
_NUMBER = "_number"
_NOBODY = (0, 0)


@dataclass(frozen=True, eq=False)
class PastGroup:
    """Rows of one state of the dataset, those of one group together and in the order of time.

    Attributes:
        times: microseconds, [n].
        numbers: of each row among the rows of the state, [n].
        values: of the columns of numbers, float64 [n] each, NaN where unknown.
        bounds: group -> its first row and the one after its last.
    """

    times: "Times"
    numbers: "NDArray[np.int64]"
    values: "Mapping[str, Values]"
    bounds: Mapping[Key, tuple[int, int]]

    @cached_property
    def sought(self) -> Any:
        """The times as plain numbers, which bisection reads faster."""
        return memoryview(self.times)  # type: ignore[arg-type] # an array has a buffer

    def place(self, key: Key, time: int) -> int | None:
        """Where the row of this group and time stands; None: there is none."""
        first, last = self.bounds.get(key, _NOBODY)
        found = bisect_left(self.sought, time, first, last)
        return found if found < last and self.sought[found] == time else None

    def window(self, key: Key, after: int, until: int) -> slice:
        """The rows of a group with times in `(after, until]`, microseconds."""
        first, last = self.bounds.get(key, _NOBODY)
        begin = bisect_left(self.sought, after + 1, first, last)
        return slice(begin, bisect_left(self.sought, until + 1, begin, last))


class Past:
    """One state of the dataset, grouped by each set of columns that a feature asks for.

    Args:
        frame: its rows; see `History.frame`.
        time: the column of event time.
        groupings: sets of columns; in each group rows are in the order of time.
        columns: of numbers.
    """

    def __init__(
        self, frame: "pl.DataFrame", time: str, groupings: Iterable[Sequence[str]], columns: Iterable[str]
    ) -> None:
        wanted = list(dict.fromkeys(columns))
        self._groups = {tuple(by): _group(frame, time, tuple(by), wanted) for by in groupings}

    def by(self, columns: tuple[str, ...]) -> PastGroup:
        """The rows grouped by these columns."""
        return self._groups[columns]


def plain_values(column: "pl.Series") -> list[object]:
    """The values of a key's column as the readers of cells give them."""
    return (column.dt.timestamp("us") if column.dtype.is_temporal() else column).to_list()


def _group(frame: "pl.DataFrame", time: str, by: tuple[str, ...], columns: Sequence[str]) -> PastGroup:
    import numpy as np
    import polars as pl

    ordered = frame.with_row_index(_NUMBER).sort(*by, time)
    values = {
        name: np.ascontiguousarray(ordered[name].cast(pl.Float64).fill_null(float("nan")).to_numpy())
        for name in columns
    }
    times = np.ascontiguousarray(ordered[time].dt.timestamp("us").to_numpy())
    numbers = ordered[_NUMBER].cast(pl.Int64).to_numpy()
    if not by:
        return PastGroup(times, numbers, values, {(): (0, len(times))})
    firsts = ordered.select(by).with_row_index(_NUMBER).unique(by, keep="first", maintain_order=True)
    edges = [*firsts[_NUMBER].to_list(), len(times)]
    keys = zip(*(plain_values(firsts[name]) for name in by), strict=True)
    return PastGroup(times, numbers, values, dict(zip(keys, pairwise(edges), strict=True)))
