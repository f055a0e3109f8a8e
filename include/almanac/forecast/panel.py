"""Many series of different lengths in one array, so that a rule is applied to all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """What is known ahead of one series: `values` is of shape (its steps + horizon, columns)."""

    columns: tuple[str, ...]
    values: "Array"


@dataclass(frozen=True)
class Panel:
    """Series that end at the same step.

    What is computed of a series never depends on the others beside it: a grain's result is the same in any chunk, to
    the last bit.

    Attributes:
        values: of shape (series, steps); shorter series have NaN in front.
        lengths: of each series, of shape (series,).
        known: what is known ahead, of shape (series, steps + horizon, columns); None: there is no calendar.
        columns: their names.
        hidden: how many steps of the series are not shown.
    """

    values: "Array"
    lengths: "npt.NDArray[np.int64]"
    known: "Array | None" = None
    columns: tuple[str, ...] = ()
    hidden: int = 0

    @classmethod
    def of(
        cls, series: "Sequence[Array]", known: "Sequence[Array | None]" = (), columns: tuple[str, ...] = ()
    ) -> "Panel":
        """Put series side by side, by their ends; `known` is of shape (steps + horizon, columns) each."""
        import numpy as np

        lengths = np.array([len(each) for each in series], dtype=np.int64)
        values = np.full((len(series), int(lengths.max(initial=0))), np.nan)
        for row, each in zip(values, series, strict=True):
            row[len(row) - len(each) :] = each
        calendars = [each for each in known if each is not None]
        if not calendars:
            return cls(values, lengths)
        ahead = max(len(each) - int(length) for each, length in zip(calendars, lengths, strict=True))
        together = np.full((len(series), values.shape[1] + ahead, calendars[0].shape[1]), np.nan)
        for place, calendar in zip(together, calendars, strict=True):
            place[len(place) - len(calendar) :] = calendar
        return cls(values, lengths, together, columns)

    def __len__(self) -> int:
        return len(self.lengths)

    def before(self, steps: int) -> "Panel":
        """The same series without their last steps: what a forecast of that time could see.

        Of the calendar it could see as far ahead as today's forecast can.
        """
        if not steps:
            return self
        known = None if self.known is None else self.known[:, :-steps]
        return Panel(
            self.values[:, :-steps], (self.lengths - steps).clip(min=0), known, self.columns, self.hidden + steps
        )

    def last(self, steps: int) -> "Array":
        """The last steps of all series, with NaN where a series is shorter."""
        import numpy as np

        short = steps - self.values.shape[1]
        padded = np.pad(self.values, ((0, 0), (max(short, 0), 0)), constant_values=np.nan)
        return np.ascontiguousarray(padded[:, padded.shape[1] - steps :])

    def series(self, number: int) -> "Array":
        """One series, without what stands in front of it."""
        import numpy as np

        return np.ascontiguousarray(self.values[number, self.values.shape[1] - self.lengths[number] :])

    def known_of(self, number: int) -> Known | None:
        """The calendar of one series."""
        import numpy as np

        if self.known is None:
            return None
        first = self.values.shape[1] - self.lengths[number]
        return Known(self.columns, np.ascontiguousarray(self.known[number, first:]))


def unknown(panel: Panel, horizon: int) -> "Array":
    """Forecasts that are all unknown, of shape (series, horizon)."""
    import numpy as np

    return np.full((len(panel), horizon), np.nan)
