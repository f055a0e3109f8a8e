"""How past forecasts have turned out where actual values have come since."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.errors import DataError
from almanac.forecast.adjustments import Adjustment
from almanac.forecast.published import PublishedTable, published_rows
from almanac.forecast.results import GRAIN
from almanac.forecast.series import GrainReader
from almanac.forecast.versions import results_of

if TYPE_CHECKING:
    import polars as pl

MOST_VERSIONS = 8  # that were published last


@dataclass(frozen=True)
class Help:
    """Whether an adjustment has helped: absolute errors with and without it, summed over `steps`."""

    steps: int
    with_it: float
    without: float

    @property
    def words(self) -> str:
        """For people."""
        if not self.steps:
            return "no actual value has come yet"
        verdict = "helped" if self.with_it < self.without else "did not help"
        return f"{verdict}: over {self.steps} steps the error is {self.with_it:g} with it, {self.without:g} without"


def past_forecasts(
    model: ForecastModel, home: Home, *, dataset_version: int | None = None, also: str = ""
) -> "pl.DataFrame":
    """Steps of the versions that were published last whose actual value has come, one row per grain, time and version.

    A version is known by what it was made of, so a forecast is what was published then, not what would be today.

    Args:
        model: declares the forecast.
        home: where it is.
        dataset_version: that knows the actual values; None: the newest.
        also: a version that need not have been published.

    Returns:
        The published rows with `grain`, `actual` and `expected`: the mean absolute error of the backtests at that step;
        empty of a version of a former release. No columns before a first version.

    Raises:
        DataError: there is no dataset.
        TransientError: the store is unreachable.
    """
    import polars as pl

    reader = GrainReader.of(model, home, dataset_version)
    published = list(dict.fromkeys(one.version for one in PublishedTable.of(home, model).publications()))
    names = dict.fromkeys([*([also] if also else []), *published[:MOST_VERSIONS]])
    parts = [rows for name in names if (rows := version_rows(model, home, name)) is not None]
    if not parts:
        return pl.DataFrame()
    rows = pl.concat(parts, how="diagonal")
    actual = reader.values_of(rows["time"])
    return rows.join(actual, on=[GRAIN, "time"], how="inner")


def version_rows(model: ForecastModel, home: Home, version: str) -> "pl.DataFrame | None":
    """The rows of a version with `grain` and `expected`; None: its results are deleted."""
    try:
        results = results_of(model, home, version)
    except DataError:
        return None
    return rows_of_version(model, results, version)


def rows_of_version(model: ForecastModel, results: "pl.DataFrame", version: str) -> "pl.DataFrame":
    """The rows of a version, made of its results, with `grain` and `expected`."""
    import polars as pl

    names = [grain for grain, steps in results.select(GRAIN, "forecast").iter_rows() for _ in steps]
    rows = published_rows(model, results, version).with_columns(pl.Series(GRAIN, names, pl.String))
    if "step_errors" not in results.columns or results["step_errors"].null_count():
        return rows.with_columns(expected=pl.lit(None, pl.Float64))
    return rows.with_columns(expected=results["step_errors"].explode())


def help_of(adjustment: Adjustment, past: "pl.DataFrame") -> Help:
    """Whether an adjustment has helped, by the newest forecast of each time that it is about."""
    import polars as pl

    if not len(past):
        return Help(0, 0.0, 0.0)
    hit = (pl.col(GRAIN) == adjustment.grain) & pl.col("time").is_between(
        adjustment.since, adjustment.until, closed="left"
    )
    rows = past.filter(hit).sort("step").unique("time", keep="first", maintain_order=True)
    factor = 1 + adjustment.percent / 100
    with_it = float((rows["forecast"] * factor - rows["actual"]).abs().sum())
    return Help(len(rows), with_it, float((rows["forecast"] - rows["actual"]).abs().sum()))


def by_step(past: "pl.DataFrame", levels: Sequence[float]) -> "pl.DataFrame":
    """Error, bias and interval coverage by step ahead, over all grains.

    Columns: `step`, `rows`, `error` (mean absolute), `expected` (by the backtests), `bias` (mean of forecast less
    actual as a share of the mean absolute actual) and `held_80` for each interval.
    """
    import polars as pl

    if not len(past):
        return pl.DataFrame()
    wrong = pl.col("forecast") - pl.col("actual")
    return (
        past.group_by("step")
        .agg(
            rows=pl.len(),
            error=wrong.abs().mean(),
            expected=pl.col("expected").mean(),
            bias=wrong.sum() / pl.col("actual").abs().sum(),
            **{f"held_{name}": within(name).mean() for name in map(level_name, levels) if f"lower_{name}" in past},
        )
        .sort("step")
    )


def within(name: str) -> "pl.Expr":
    """Whether an actual value lies within an interval."""
    import polars as pl

    return pl.col("actual").is_between(pl.col(f"lower_{name}"), pl.col(f"upper_{name}"))


def level_name(level: float) -> str:
    """Of an interval, as columns carry it: 0.8 is `80`."""
    return f"{level * 100:g}".replace(".", "_")
