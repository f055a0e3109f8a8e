"""The section `forecast` of a model of that kind: what is forecast, by which candidates, and how one is chosen."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Cron, Duration
from almanac.config.sections.dataset import Dataset
from almanac.config.sections.forecasting.calendar import Calendar
from almanac.config.sections.forecasting.global_candidate import GlobalCandidate
from almanac.config.sections.forecasting.hierarchy import Columns, Method, check_hierarchy

Steps = Annotated[int, Field(ge=1, le=10_000)]
Season = Annotated[int, Field(ge=2, le=10_000)]
Penalty = Annotated[float, Field(gt=0)]
Level = Annotated[float, Field(gt=0, lt=1)]
Order = Annotated[int, Field(ge=0, le=10)]
SEASONAL = "seasonal_naive"
_PUBLISHED = frozenset({"time", "step", "forecast", "candidate", "kept_baseline", "version", "adjusted", "adjustment"})


class Plain(Section):
    """A candidate without parameters: `{}`."""


class SeasonalMean(Section):
    """The mean of the same step in the last seasons."""

    seasons: tuple[Annotated[int, Field(ge=2, le=50)], ...] = Field((2, 3), min_length=1, description="One for each.")


class Ridge(Section):
    """A ridge regression of all steps ahead on the steps of the longest season, for each grain by itself."""

    penalties: tuple[Penalty, ...] = Field((0.03, 0.1), min_length=1, description="One for each.")
    log: bool = Field(True, description="Also of the logarithms, for grains whose values are all above 0.")
    lags: Steps | None = Field(None, description="The steps that it looks back; unset: the longest season.")


class Ets(Section):
    """Exponential smoothing with additive errors; seasonal by the first season."""

    trend: bool = Field(True, description="With a trend.")
    damped: bool = Field(True, description="A trend that levels off.")
    seasonal: bool = Field(True, description="With the first season.")

    @model_validator(mode="after")
    def _only_a_trend_is_damped(self) -> Self:
        if self.damped and not self.trend:
            raise ValueError("damped: only a trend can be; got trend: false, damped: true; set damped: false")
        return self


class Arima(Section):
    """An ARIMA of a given order; seasonal orders are of the first season."""

    order: Literal["auto"] | tuple[Order, Order, Order] = Field(
        (1, 1, 1), description="Autoregression, differences, moving average; auto: looked for on each grain."
    )
    seasonal: tuple[Order, Order, Order] = Field((0, 0, 0), description="The same, of the season; not with auto.")

    @model_validator(mode="after")
    def _auto_has_no_seasonal_order(self) -> Self:
        if self.order == "auto" and any(self.seasonal):
            raise ValueError(
                f"seasonal: order: auto differences a strong season itself; got {list(self.seasonal)}, remove it"
            )
        return self


class Candidates(Section):
    """Which candidates compete on each grain. Seasonal naive always does: it is the rule that others must beat."""

    naive: Plain | None = Field(None, description="The last value.")
    drift: Plain | None = Field(None, description="The line from the first value through the last one.")
    level: Plain | None = Field(None, description="Seasonal naive, moved to the level of the recent steps.")
    seasonal_mean: SeasonalMean | None = None
    ridge: Ridge | None = None
    ets: Ets | None = None
    arima: Arima | None = None
    theta: Plain | None = Field(None, description="The Theta method, without a season where none is declared.")
    mstl: Plain | None = Field(None, description="Decomposition by all seasons; the rest by exponential smoothing.")
    over_all: GlobalCandidate | None = Field(None, alias="global", description="One fit over all grains.")


class CandidateChoice(Section):
    """How the candidate of a grain is chosen: by forecasts of the past that did not see what came after them."""

    by: Literal["mase", "smape"] = Field("mase", description="The error by which a grain's candidate is chosen.")
    backtests: Annotated[int, Field(ge=2, le=50)] = Field(
        3, description="How many of them; each ends one horizon before the next."
    )
    ensemble: tuple[Literal["mean", "median"], ...] = Field(
        ("mean", "median"), description="Of the best candidates of a grain; these compete, too."
    )
    best: Annotated[int, Field(ge=2, le=20)] = Field(3, description="How many candidates an ensemble has.")


class ForecastLimits(Section):
    """Where forecasts and intervals are cut off. Nothing is where nothing is declared."""

    min: float | None = Field(None, description="Lower values become this one.")
    max: float | None = Field(None, description="Higher values become this one.")

    @model_validator(mode="after")
    def _min_is_below_max(self) -> Self:
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min must be below max; got min {self.min}, max {self.max}")
        return self


class ForecastGates(Section):
    """What a version as a whole must reach before it is published. All figures are those of the backtests."""

    min_better: Share = Field(0.0, description="The share of grains that are forecast better than by seasonal naive.")
    max_error: Annotated[float, Field(gt=0)] = Field(
        1.0, description="The error of all grains together, as a share of that of seasonal naive."
    )
    max_coverage_gap: Share = Field(
        0.15, description="By how much the share of values within an interval may lie below what the interval claims."
    )
    max_bias: Annotated[float, Field(gt=0)] = Field(
        0.2, description="The mean error with its sign, as a share of the mean absolute value, of all grains together."
    )
    max_worse: Annotated[float, Field(ge=0)] = Field(
        0.1, description="By how much the mean error by grain may be above the published version's, beyond chance."
    )


class ForecastMonitor(Section):
    """When past forecasts have turned out too badly. A limit must be passed beyond chance."""

    max_error_ratio: Annotated[float, Field(gt=0)] = Field(
        1.5, description="The error of published forecasts, as a share of what their backtests made expect."
    )
    max_bias: Annotated[float, Field(gt=0)] = Field(
        0.2, description="The mean error with its sign, as a share of the mean absolute actual value."
    )
    max_coverage_gap: Share = Field(
        0.15, description="By how much the share of values within an interval may lie below what the interval claims."
    )
    min_values: Annotated[int, Field(ge=1)] = Field(10, description="Fewer actual values are not judged.")


class Forecast(Section):
    """One series per grain, each forecast by the candidate that is best on it."""

    target: str = Field(description="The column that is forecast.")
    grain: tuple[str, ...] = Field(min_length=1, description="The columns that tell the series apart.")
    horizon: Steps = Field(description="How many steps ahead; all of them are forecast at once.")
    season: tuple[Season, ...] = Field((), description="Steps of a season; of several, the first is what counts most.")
    calendar: Calendar | None = Field(None, description="Columns that are known ahead; a name alone is a CSV file.")
    hierarchy: tuple[Columns, ...] = Field(
        (), description="Levels of totals, the last one is the grain: [[Region], [Region, Store]]."
    )
    reconcile: Method = Field(
        "bottom_up",
        description="How forecasts of totals and grains are made to agree; bottom_up: totals are sums. The other"
        " methods correct grains, so that a single one may become worse than its baseline.",
    )
    candidates: Candidates
    choose: CandidateChoice = CandidateChoice()
    intervals: tuple[Level, ...] = Field((0.8, 0.95), description="The share of values that each claims to hold.")
    limits: ForecastLimits = ForecastLimits()
    max_set_aside: Share = Field(0.5, description="With a larger share of bad grains the run is skipped.")
    grains_per_task: Literal["auto"] | Annotated[int, Field(ge=1, le=100_000)] = Field(
        "auto", description="How many grains one task computes; auto: about a minute of work."
    )
    schedule: Cron | None = Field(None, description="Also at these times, in UTC; new data are always forecast.")
    keep: Annotated[Duration, Field(ge=timedelta(days=1))] | None = Field(
        None,
        description="How long results and versions of former periods are kept; those published last always are. Null:"
        " for ever.",
    )
    gates: ForecastGates = ForecastGates()
    monitor: ForecastMonitor = ForecastMonitor()

    @field_validator("season", "intervals", "grain")
    @classmethod
    def _each_once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) != len(values):
            raise ValueError(f"each value once; got {list(values)}")
        return values

    @model_validator(mode="after")
    def _candidates_have_their_season(self) -> Self:
        if not self.season:
            ets = self.candidates.ets
            needy = [name for name in ("level", "seasonal_mean", "mstl") if getattr(self.candidates, name) is not None]
            needy += ["ets.seasonal"] if ets is not None and ets.seasonal else []
            needy += ["ridge without lags"] if self.candidates.ridge and self.candidates.ridge.lags is None else []
            needy += ["arima.seasonal"] if self.candidates.arima and any(self.candidates.arima.seasonal) else []
            if needy:
                raise ValueError(f"candidates: {needy} need a season; got season []. Declare one, such as season: [52]")
        return self

    @property
    def needed_steps(self) -> int:
        """How long a series must be: its earliest backtest needs a season, and the step after it."""
        return max(self.season[:1], default=1) + 1 + self.horizon * self.choose.backtests


def check_forecast(forecast: Forecast, dataset: Dataset) -> None:
    """Refuse a forecast that does not fit its dataset.

    Raises:
        ValueError: it does not.
    """
    columns = dataset.columns
    target = columns.get(forecast.target)
    if target is None or target.type not in ("float", "integer"):
        got = "no such column" if target is None else f"type {target.type}"
        numbers = sorted(name for name, column in columns.items() if column.type in ("float", "integer"))
        raise ValueError(f"forecast.target must be a column of numbers; got {forecast.target!r}: {got}, has {numbers}")
    rest = [name for name in dataset.key if name != dataset.time]
    if dataset.time not in dataset.key or set(forecast.grain) != set(rest):
        raise ValueError(
            f"forecast.grain must be the columns of dataset.key beside dataset.time, or a grain would have several rows"
            f" for one time; got grain {list(forecast.grain)}, key {list(dataset.key)}, time {dataset.time!r}"
        )
    check_hierarchy(forecast.hierarchy, forecast.grain)
    if taken := sorted(_PUBLISHED.intersection(forecast.grain)):
        raise ValueError(f"forecast.grain: {taken} are columns of the published forecast, too; rename them")
    if odd := [name for name in forecast.grain if columns[name].type not in ("string", "integer")]:
        raise ValueError(f"forecast.grain: only texts and whole numbers tell series apart; got {odd}")
