"""The totals that a hierarchy declares: which grains each has, and the sum of their series."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from almanac.config.sections.forecast import Forecast

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from almanac.forecast.panel import Array


def totals_of(forecast: Forecast, grain: str) -> list[str]:
    """The names of the totals that a grain is part of, from that of all downwards; none without a hierarchy.

    A total is named by the values of its level, so it has fewer than a grain has; that of all is `[]`.
    """
    if not forecast.hierarchy:
        return []
    values = dict(zip(forecast.grain, json.loads(grain), strict=True))
    levels = [(), *forecast.hierarchy[:-1]]
    return [json.dumps([values[name] for name in ordered(level, forecast)], ensure_ascii=False) for level in levels]


def ordered(level: Iterable[str], forecast: Forecast) -> list[str]:
    """The columns of a level in the order in which the grain has them."""
    return [name for name in forecast.grain if name in set(level)]


def level_of(forecast: Forecast, name: str) -> list[str]:
    """The columns of the level of a total, or of a grain: no two levels have as many."""
    count = len(json.loads(name))
    levels = ((), *forecast.hierarchy, forecast.grain)
    return ordered(next(level for level in levels if len(level) == count), forecast)


def members_of(forecast: Forecast, grains: Sequence[str]) -> dict[str, list[int]]:
    """Total -> the places of its grains; the total of all first, then level by level."""
    found: dict[str, list[int]] = {}
    for place, grain in enumerate(grains):
        for name in totals_of(forecast, grain):
            found.setdefault(name, []).append(place)
    return {name: found[name] for name in sorted(found, key=lambda name: (len(json.loads(name)), name))}


@dataclass
class Sums:
    """Sums of series that end at the same step. At a step that a grain does not have, it adds nothing.

    `series`: total -> times in microseconds, and the sums.
    """

    forecast: Forecast
    _found: "dict[str, tuple[npt.NDArray[np.int64], Array]]" = field(default_factory=dict)

    def add(self, grain: str, times: "npt.NDArray[np.int64]", values: "Array") -> None:
        """Add a good grain; the order of grains is part of the last bits of a sum."""
        if self.forecast.reconcile == "bottom_up":
            return  # no total has a forecast of its own
        for name in totals_of(self.forecast, grain):
            before = self._found.get(name)
            if before is None:
                self._found[name] = times.copy(), values.copy()
            elif len(before[0]) >= len(times):
                before[1][len(before[1]) - len(values) :] += values
            else:
                longer = values.copy()
                longer[len(longer) - len(before[1]) :] += before[1]
                self._found[name] = times.copy(), longer

    @property
    def series(self) -> "Mapping[str, tuple[npt.NDArray[np.int64], Array]]":
        """See above."""
        return self._found
