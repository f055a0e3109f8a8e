"""What a clock shows, by the same table of time zones as the general path's: asked once, as a list of changes."""

from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from almanac.serving.compiled.cells import UnclearError, microseconds

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

_UNCLEAR = 1 << 62
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_HOUR_US = timedelta(hours=1) // timedelta(microseconds=1)


@lru_cache(maxsize=32)
def clock_of(timezone: str) -> Callable[[int], int]:
    """A function from a time in UTC to what the zone's clock shows, both microseconds since 1970.

    It raises `UnclearError` before 1970 and from 2100 on, and in an hour within which the clock is changed.
    """
    if timezone == "UTC":
        return lambda time: time
    import numpy as np
    import polars as pl

    hours = pl.datetime_range(_FIRST, _LAST, "1h", time_unit="us", time_zone="UTC", eager=True)
    first = _offsets(hours, timezone)
    changed = np.flatnonzero(np.diff(first)) + 1
    # a change at the full hour shows in no earlier microsecond; of any other the hour is unclear
    before = _offsets(hours[changed].dt.offset_by("-1us"), timezone)
    starts, shifts = [microseconds(_FIRST)], [int(first[0])]
    for hour, early in zip(changed.tolist(), before.tolist(), strict=True):
        start = microseconds(_FIRST) + hour * _HOUR_US
        if early != first[hour - 1]:
            starts.append(start - _HOUR_US)
            shifts.append(_UNCLEAR)
        starts.append(start)
        shifts.append(int(first[hour]))
    end = microseconds(_LAST)

    def shown(time: int) -> int:
        shift = shifts[bisect_right(starts, time) - 1] if starts[0] <= time < end else _UNCLEAR
        if shift == _UNCLEAR:
            raise UnclearError
        return time + shift

    return shown


def _offsets(times: "pl.Series", timezone: str) -> "NDArray[np.int64]":
    """By how much the clock is ahead of UTC, microseconds [n]."""
    local = times.dt.convert_time_zone(timezone).dt.replace_time_zone(None)
    offsets: NDArray[np.int64] = (local.dt.timestamp("us") - times.dt.timestamp("us")).to_numpy()
    return offsets
