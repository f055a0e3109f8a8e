"""Where a column changes its unit inside a batch: its level jumps as it never did, and another unit explains the jump.

A change of unit stands out from one day to the next, whatever the season: a month that is cold enough lies in °F where
another lies in °C, but no night is 40 degrees warmer than the one before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from almanac.validation.units import conversions, is_near

if TYPE_CHECKING:
    import polars as pl

_DAY, _MIN_STEPS = timedelta(days=1), 8
_MIN_CHANGES = 50  # of the reference, to know what is usual
_RARE = 0.99
_ROWS_IN_SPAN = 300  # a median of so many is known well; of 100,000 in one day it would take minutes
_FAR = 2.6  # times the rare change: on real months natural jumps reach 2.3, those to °F begin at 3.2
_FAR_LARGEST = 2.0  # times the largest one, for a mere factor: fog divides a day's visibility by ten, too
_WHOLE = 0.9  # of the largest change about it: what is less is a part of it
_MAX_REST_SHARE = 0.35  # of the jump, and at most one rare change: what may be left after converting back


@dataclass(frozen=True)
class UnitChange:
    """Another unit in a part of a batch.

    Attributes:
        unit: its name.
        where: whether the other unit begins or ends there.
        at: when the level jumps.
        before: the median of the last day before,
        after: and of the first day behind it.
    """

    unit: str
    where: Literal["from", "before"]
    at: datetime
    before: float
    after: float


def unit_change(batch: "pl.DataFrame", usual: "pl.DataFrame", unit: str, step: timedelta) -> UnitChange | None:
    """Find the change of unit that explains a jump best; None where the level never jumps so.

    Args:
        batch: `time` and `value`, ordered by time.
        usual: the same columns of the reference, in any order.
        unit: what the column is declared to be.
        step: the distance of neighbouring rows.
    """
    import polars as pl

    span = max(_DAY, _MIN_STEPS * step)
    jump = (pl.col("after") - pl.col("before")).abs()
    known = _changes(usual.sort("time"), span).select(jump.alias("jump"))["jump"]
    rare, largest = known.quantile(_RARE) or 0.0, float(str(known.max() or 0.0))
    if len(known) < _MIN_CHANGES or rare <= 0.0:  # there is no scale to measure a jump in
        return None
    far = _changes(batch, span).filter(jump > _FAR * rare).sort("time")
    # while a median passes from one level to the other it takes all that lies between, which proves no unit
    together = (pl.col("time").diff() > span).fill_null(True).cum_sum()
    jumps = list(far.filter(jump >= _WHOLE * jump.max().over(together)).iter_rows())
    for units in conversions(unit):  # a power of ten explains a jump only where no unit does
        found = [
            (rest, UnitChange(name, where, at, before, after))
            for name, conversion in units.items()
            for at, before, after in jumps
            if conversion[1] or abs(after - before) > _FAR_LARGEST * largest
            for where, rest in _rests(conversion, before, after, rare)
        ]
        if found:
            return min(found, key=lambda one: one[0])[1]
    return None


def _rests(
    conversion: tuple[float, float], before: float, after: float, rare: float
) -> Iterator[tuple[Literal["from", "before"], float]]:
    """What is left of a jump when either side is converted back, where that is little enough to explain it."""
    factor, added = conversion
    if is_near(factor, added):
        return
    sides: tuple[tuple[Literal["from", "before"], float, float], ...] = (
        ("from", before, after),
        ("before", after, before),
    )
    for where, right, wrong in sides:
        rest = abs((wrong - added) / factor - right)
        # about 0 any factor explains anything: 0 is 0 in every unit
        known = added or abs(right) > rare
        if known and rest <= min(rare, _MAX_REST_SHARE * abs(after - before)):
            yield where, rest


def _thinned(rows: "pl.DataFrame", span: timedelta) -> "pl.DataFrame":
    """Rows ordered by time, not many more in a span than a median needs: drawn, the same ones each time."""
    spans = max((rows["time"][-1] - rows["time"][0]) / span, 1.0) if rows.height else 1.0
    wanted = round(_ROWS_IN_SPAN * spans)
    return rows if rows.height <= wanted else rows.sample(wanted, seed=0).sort("time")


def _changes(rows: "pl.DataFrame", span: timedelta) -> "pl.DataFrame":
    """The medians of the last `span` before each row and of the first behind it: `time`, `before`, `after`.

    Beginnings, ends and gaps, where fewer than half of the usual rows are in a span, say nothing.
    """
    import polars as pl

    value, rows = pl.col("value"), _thinned(rows, span)
    levels = rows.select(
        "time",
        level=value.rolling_median_by("time", window_size=span),
        rows=value.is_not_null().cast(pl.Float64).rolling_sum_by("time", window_size=span),
    ).unique("time", keep="last", maintain_order=True)
    levels = levels.filter(pl.col("rows") >= pl.col("rows").median() / 2)
    ahead = levels.select(until=pl.col("time"), after="level", time=pl.col("time") - span)
    return (
        levels.select("time", before="level")
        .join_asof(ahead.select("time", "after"), on="time", strategy="forward", tolerance=span / 8)
        .drop_nulls()
    )
