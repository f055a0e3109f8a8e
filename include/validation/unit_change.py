"""Where a column changes its unit inside a batch: its level jumps as it never did, and another unit explains the jump.

A change of unit stands out from one day to the next, whatever the season: a month that is cold enough lies in °F where
another lies in °C, but no night is 40 degrees warmer than the one before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from include.validation.units import conversions, is_near

if TYPE_CHECKING:
    import polars as pl

_DAY, _MIN_STEPS = timedelta(days=1), 8
_MIN_CHANGES = 50  # of the reference, to know what is usual
_RARE = 0.99
_FAR = 2.6  # times the rare change: on real months natural jumps reach 2.3, those to °F begin at 3.2
_FAR_LARGEST = 2.0  # times the largest one, for a mere factor: fog divides a day's visibility by ten, too
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
    jumps = _changes(batch, span).filter(jump > _FAR * rare).sort("time")
    best: tuple[float, UnitChange] | None = None
    for at, before, after in jumps.iter_rows():
        limit = min(rare, _MAX_REST_SHARE * abs(after - before))
        for name, (factor, added) in conversions(unit).items():
            if not added and (is_near(factor, added) or abs(after - before) <= _FAR_LARGEST * largest):
                continue
            rests = {"from": (after - added) / factor - before, "before": (before - added) / factor - after}
            for where, rest in rests.items():
                if abs(rest) <= limit and (best is None or abs(rest) < best[0]):
                    best = abs(rest), UnitChange(name, where, at, before, after)  # type: ignore[arg-type]
    return None if best is None else best[1]


def _changes(rows: "pl.DataFrame", span: timedelta) -> "pl.DataFrame":
    """The medians of the last `span` before each row and of the first behind it: `time`, `before`, `after`.

    Beginnings, ends and gaps, where fewer than half of the usual rows are in a span, say nothing.
    """
    import polars as pl

    value = pl.col("value")
    levels = rows.select(
        "time",
        level=value.rolling_median_by("time", window_size=span),
        rows=value.is_not_null().cast(pl.Float64).rolling_sum_by("time", window_size=span),
    ).unique("time", keep="last", maintain_order=True)
    levels = levels.filter(pl.col("rows") >= pl.col("rows").median() / 2)
    ahead = levels.select(until=pl.col("time"), after="level", time=pl.col("time") - span)
    return levels.select("time", before="level").join_asof(
        ahead.select("time", "after"), on="time", strategy="forward", tolerance=span / 8
    ).drop_nulls()  # fmt: skip
