"""What is watched of a model after promotion, and what follows from it."""

from collections.abc import Collection
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from almanac.config.grammar.metric import Metric
from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Cron, Duration

Action = Literal["notify", "retrain", "previous", "stop_scoring", "ask"]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


ActionList = Annotated[tuple[Action, ...], BeforeValidator(_several)]


class Drift(Section):
    """When a column counts as drifted: significant after correction *and* large enough."""

    min_rows: Annotated[int, Field(ge=2)] = Field(description="Windows with fewer rows are not compared.")
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="Of the columns that are called drifted, how many may be by chance."
    )
    min_ks: Share = Field(description="Smaller changes of a number's distribution (Kolmogorov-Smirnov) are not drift.")
    min_wasserstein: Annotated[float, Field(ge=0)] = Field(description="In reference standard deviations.")
    min_total_variation: Share = Field(
        description="Smaller changes of a text's distribution (total variation) are not drift."
    )
    min_null_change: Share = Field(description="Smaller changes of the share of empty values are not drift.")
    season: Literal["none", "month", "season"] = Field(description="Compare with the same part of the year.")
    windows: Annotated[int, Field(ge=1)] = Field(description="Drifted in this many consecutive windows: alarm.")
    min_effective_rows: Annotated[float, Field(ge=1)] = Field(
        10.0,
        description="Minimum number of effective (independent) rows on either side; with fewer, a column is"
        " insufficient.",
    )


class PerformanceMonitor(Section):
    """Predictions against the labels that have arrived."""

    metric: Metric = Field(description="Measured on labelled windows and compared with the training's.")
    max_loss: Annotated[float, Field(gt=0)] = Field(
        description="Allowed loss against the hold-out figure, in the metric's unit."
    )
    min_rows: Annotated[int, Field(ge=1)] = Field(description="On fewer labelled rows nothing is judged.")
    min_class_rows: Annotated[int, Field(ge=1)] = Field(
        30, description="Labelled rows of the rarer label that are needed, too."
    )


TIME_SEGMENTS = ("season", "month", "hour_of_day")


class SegmentMonitor(Section):
    """The performance of groups of rows, and the gap between the best and the worst of them."""

    by: str = Field(description="season, month, hour_of_day, or a text column of the dataset.")
    min_rows: Annotated[int, Field(ge=1)] = Field(100, description="Labelled rows of a group; fewer: insufficient.")
    max_gap: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Allowed gap between two groups, in the metric's unit; none: it is only shown."
    )
    max_yes_gap: Share | None = Field(
        None, description="Allowed gap between two groups in the share of positive predictions; none: it is only shown."
    )


class DataFreshness(Section):
    """The arrival of data, judged from the batches' own records."""

    max_quarantined: Share = Field(0.05, description="Of the rows that arrived within a window.")
    max_rejected: Share = Field(0.2, description="Of the batches that arrived within a window.")
    volume_factor: Annotated[float, Field(gt=1)] = Field(
        2.0, description="A window with this many times more or fewer rows than usual is reported."
    )
    max_age: Duration | None = Field(None, description="Of the newest row; none: not watched.")


class Staleness(Section):
    """How old things may become; none: not watched."""

    champion: Duration | None = Field(None, description="Since it was trained.")
    labels: Duration | None = Field(None, description="The newest row whose label is known.")
    predictions: Duration | None = Field(None, description="The newest row that was scored.")


class Challengers(Section):
    """Other versions on the champion's newest labelled window."""

    versions: Annotated[int, Field(ge=0)] = Field(5, description="How many of the newest other versions; 0: none.")
    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.01, description="Reported from this gain on, if it is significant."
    )


class DagHealth(Section):
    """The model's own DAG runs, asked of Airflow's REST API."""

    enabled: bool = Field(True, description="Whether late and failed runs are looked for.")
    window: Duration = Field(timedelta(days=7), description="Period that is looked back on.")
    max_failed: Share = Field(0.2, description="Of the tasks that ended.")
    max_retried: Share = Field(0.3, description="Of the tasks that ended.")
    slow_factor: Annotated[float, Field(gt=1)] = Field(3.0, description="Of a task's usual duration.")
    max_queued: Duration = Field(timedelta(minutes=10), description="A task's wait for a worker.")
    max_overdue: Duration = Field(timedelta(hours=1), description="A scheduled run's delay before it starts.")


class Actions(Section):
    """What follows when a condition has lasted: one of these, a list of them, or `[]` for nothing.

    notify: tell people. retrain: ask for a retrain, which the training policy may refuse. previous: put the version
    that was in production before back. stop_scoring: score nothing until a person resumes it. ask: a person decides.
    From insufficient data nothing follows, and a warning is only told.
    """

    drift: ActionList = Field(("notify", "retrain"), description="What follows when drift has lasted.")
    performance: ActionList = Field(
        ("notify", "retrain"), description="What follows when a loss of performance has lasted."
    )
    segments: ActionList = Field(("notify",), description="What follows when a loss in a segment has lasted.")
    quality: ActionList = Field(("notify",), description="What follows when a rise of quarantined rows has lasted.")
    volume: ActionList = Field(("notify",), description="What follows when an unusual number of rows has lasted.")
    freshness: ActionList = Field(("notify",), description="What follows when a lack of new data has lasted.")
    staleness: ActionList = Field(
        ("notify",), description="What follows when an old champion or old predictions has lasted."
    )
    better: ActionList = Field(("notify",), description="What follows when a challenger that is better has lasted.")
    running: ActionList = Field(
        ("notify",), description="What follows when a fault of the model's own DAGs has lasted."
    )

    def of(self, condition: str) -> tuple[Action, ...]:
        """What follows from a condition."""
        found: tuple[Action, ...] = getattr(self, condition)
        return found


class Monitoring(Section):
    """What is watched after promotion."""

    window: Duration = Field(description="The stretches of time that are compared.")
    schedule: Cron = Field(description="When the monitor looks by the clock.")
    drift: Drift
    performance: PerformanceMonitor
    segments: tuple[SegmentMonitor, ...] = Field(
        (), description="Groups of rows whose performance is watched each by itself."
    )
    supply: DataFreshness = DataFreshness()
    staleness: Staleness = Staleness()
    rivals: Challengers = Challengers()
    running: DagHealth = DagHealth()
    actions: Actions = Actions()
    answer_within: Annotated[Duration, Field(ge=timedelta(seconds=1))] = Field(
        timedelta(days=3),
        description="How long `ask` waits for a person (one of `approval.users`); then nothing is done.",
    )

    def check_segments(self, columns: Collection[str]) -> None:
        """Refuse a segment that is neither a part of time nor a declared column.

        Raises:
            ValueError: there is one.
        """
        known = (*TIME_SEGMENTS, *columns)
        unknown = [segment.by for segment in self.segments if segment.by not in known]
        if unknown:
            raise ValueError(f"monitor.segments: unknown {unknown}, expected one of {list(known)}")
