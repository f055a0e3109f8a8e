"""What the global candidate sees of a moment of a series: lags, levels and the calendar, scaled by the series' level.

The features of `almanac.features` are of a row at its own time. Here each row is a moment and a step ahead, and the
lags depend on the step: the value one season before the step that is forecast. So they are made here, in numpy.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from almanac.forecast.panel import Panel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from almanac.forecast.panel import Array

_RECENT = 3  # the last steps before the moment
_SEASONS = 2  # seasons back


class Windows:
    """Moments of the series of a panel.

    Args:
        panel: see there.
        seasons: of the forecast; none: a season of one step.
    """

    def __init__(self, panel: Panel, seasons: Sequence[int]) -> None:
        import numpy as np

        self._panel, self._seasons = panel, tuple(seasons) or (1,)
        values = panel.values
        known = np.isfinite(values)
        filled = np.where(known, values, 0.0)
        moved = np.abs(np.diff(filled, axis=1, prepend=0.0)) * (known & np.roll(known, 1, axis=1))
        self._count, self._sum, self._size, self._moved = (
            np.concatenate([np.zeros((len(panel), 1)), part.cumsum(axis=1)], axis=1)
            for part in (known.astype(float), filled, np.abs(filled), moved)
        )

    def of(
        self, series: "npt.NDArray[np.int64]", ends: "npt.NDArray[np.int64]", ahead: "npt.NDArray[np.int64]"
    ) -> "tuple[Array, Array, Array]":
        """Inputs, and what turns an output into a forecast: `base + scale * output`.

        Args:
            series: the number of each moment's series.
            ends: how many steps of the panel lie before the moment.
            ahead: the step that is forecast, from 1.

        Returns:
            Inputs of shape (moments, columns), NaN: unknown; base, the value one season before; scale, the mean
            absolute value of the last season.
        """
        import numpy as np

        longest = max(self._seasons)
        columns: list[Array] = []
        scale = self._mean(self._size, series, ends, longest)
        scale = np.where(scale > 0, scale, 1.0)
        for season in self._seasons:
            back = -(-ahead // season) * season
            columns += [self._value(series, ends + ahead - 1 - back - more * season) for more in range(_SEASONS)]
        base = columns[0]
        columns += [self._value(series, ends - 1 - back) for back in range(_RECENT)]
        for season in self._seasons:
            columns += [self._mean(self._sum, series, ends - more * season, season) for more in range(_SEASONS)]
            columns.append(self._value(series, ends - 1 - season))
        columns.append(self._mean(self._moved, series, ends, self._seasons[0]))
        scaled = np.stack(columns, axis=1) / scale[:, None]
        found = np.column_stack([scaled, ahead, *self._calendar(series, ends, ahead)])
        return found, base, scale

    def target(
        self, series: "npt.NDArray[np.int64]", ends: "npt.NDArray[np.int64]", ahead: "npt.NDArray[np.int64]"
    ) -> "Array":
        """The values that came."""
        return self._value(series, ends + ahead - 1)

    def _value(self, series: "npt.NDArray[np.int64]", place: "npt.NDArray[np.int64]") -> "Array":
        import numpy as np

        return np.where(place >= 0, self._panel.values[series, place.clip(min=0)], np.nan)

    def _mean(
        self, sums: "Array", series: "npt.NDArray[np.int64]", ends: "npt.NDArray[np.int64]", steps: int
    ) -> "Array":
        """Over the `steps` before each end, as far as they are there."""
        import numpy as np

        last, first = ends.clip(min=0), (ends - steps).clip(min=0)
        count = self._count[series, last] - self._count[series, first]
        total = sums[series, last] - sums[series, first]
        found: Array = np.divide(total, count, out=np.full(len(ends), np.nan), where=count > 0)
        return found

    def _calendar(
        self, series: "npt.NDArray[np.int64]", ends: "npt.NDArray[np.int64]", ahead: "npt.NDArray[np.int64]"
    ) -> "list[Array]":
        """Of the step that is forecast, and of the step of `base`."""
        known = self._panel.known
        if known is None:
            return []
        back = -(-ahead // self._seasons[0]) * self._seasons[0]
        return [known[series, ends + ahead - 1], known[series, (ends + ahead - 1 - back).clip(min=0)]]
