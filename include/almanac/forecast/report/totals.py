"""The totals of a version with a hierarchy, as rows, and what the page says of how they came about."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.schema import ForecastModel
from almanac.config.sections.forecast import ForecastLimits
from almanac.forecast.hierarchy.coherent import Coherent
from almanac.forecast.intervals import coverage_of
from almanac.forecast.published import published_rows

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Totals:
    """What a page says of totals.

    Attributes:
        rows: one for each total and step: the columns of the grain (null: summed over), `grains`, `time`, `step`,
            `forecast`, and the ends of intervals.
        by_total: over all steps.
        words: how totals and grains came to agree, and what their intervals hold.
    """

    rows: "pl.DataFrame"
    by_total: "pl.DataFrame"
    words: str


def totals_shown(model: ForecastModel, coherent: Coherent, version: str) -> Totals:
    """The totals of a version."""
    import polars as pl

    limits = model.forecast.limits
    boundless = model.model_copy(update={"forecast": model.forecast.model_copy(update={"limits": ForecastLimits()})})
    counts = coherent.totals.select("grains", _steps=pl.col("forecast").list.len())
    rows = published_rows(boundless, coherent.totals, version).drop("candidate", "kept_baseline")
    counted = counts.select(pl.col("grains").repeat_by("_steps").explode())["grains"]
    ends = [name for name in rows.columns if name.startswith(("lower_", "upper_"))]
    rows = rows.insert_column(len(model.forecast.grain), counted)
    low, high = limits.min, limits.max  # of a sum: as often as it has grains
    rows = rows.with_columns(
        pl.col(ends).clip(
            None if low is None else low * pl.col("grains"), None if high is None else high * pl.col("grains")
        )
    )
    names = list(model.forecast.grain)
    by_total = rows.group_by(*names, "grains", maintain_order=True).agg(total=pl.col("forecast").sum())
    return Totals(rows, by_total, _words(model, coherent))


def _words(model: ForecastModel, coherent: Coherent) -> str:
    if coherent.method == "bottom_up":
        how = "Totals are the sums of the grains' forecasts"
    else:
        how = f"Totals were forecast by themselves, too, and both were made to agree ({coherent.method})"
    if coherent.ratios:
        errors = ", ".join(f"{level} {ratio:.3f}" for level, ratio in coherent.ratios.items())
        how += f"; errors in backtests of {model.forecast.reconcile}, as a share of those of sums alone: {errors}"
    held = coverage_of(coherent.totals, model.forecast.intervals)
    if not held:
        return f"{how}."
    shares = ", ".join(f"{share:.1%} by those of {level:.0%}" for level, share in held.items())
    return (
        f"{how}. Intervals of totals are of the totals' own errors in backtests, not sums of the grains' intervals;"
        f" each backtest held by the quantile of the others: {shares} (of {len(coherent.totals)} totals, which share"
        " grains and so are less than as many independent cases)."
    )


def of_all(totals: Totals, model: ForecastModel) -> "pl.DataFrame":
    """The rows of the total of all grains, by step."""
    import polars as pl

    return totals.rows.filter(pl.all_horizontal(pl.col(list(model.forecast.grain)).is_null())).sort("step")
