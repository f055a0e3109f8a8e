"""What is watched of a model after promotion, and what follows from it."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from include.config.metric import ErrorMetric, Metric
from include.config.section import Section, Share
from include.config.types import Cron, Duration

Action = Literal["notify", "retrain", "previous", "stop_scoring", "ask"]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


ActionList = Annotated[tuple[Action, ...], BeforeValidator(_several)]


class Drift(Section):
    """When a column counts as drifted: significant after correction *and* large enough."""

    min_rows: Annotated[int, Field(ge=2)]
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)]
    min_ks: Share
    min_wasserstein: Annotated[float, Field(ge=0)] = Field(description="In reference standard deviations.")
    min_total_variation: Share
    min_null_change: Share
    season: Literal["none", "month", "season"] = Field(description="Compare with the same part of the year.")
    windows: Annotated[int, Field(ge=1)] = Field(description="Drifted in this many windows running: retrain.")


class PerformanceMonitor(Section):
    """Predictions against the labels that have arrived."""

    metric: Metric | ErrorMetric
    max_loss: Annotated[float, Field(gt=0)] = Field(
        description="Allowed loss against the hold-out figure, in the metric's unit."
    )
    min_rows: Annotated[int, Field(ge=1)]
    min_class_rows: Annotated[int, Field(ge=1)] = Field(
        30, description="Labelled rows of the rarer label that are needed too; fewer say nothing on it."
    )


class Actions(Section):
    """What follows when a condition has lasted: one of these, a list of them, or `[]` for nothing.

    notify: tell people. retrain: ask for a retrain, which the training policy may refuse. previous: put the version
    that was in production before back. stop_scoring: score nothing until a person resumes it. ask: a person decides.
    From insufficient data nothing follows, and a warning is only told.
    """

    drift: ActionList = ("notify", "retrain")
    performance: ActionList = ("notify", "retrain")
    segments: ActionList = ("notify",)
    quality: ActionList = ("notify",)
    volume: ActionList = ("notify",)
    freshness: ActionList = ("notify",)
    staleness: ActionList = ("notify",)
    better: ActionList = ("notify",)
    running: ActionList = ("notify",)

    def of(self, condition: str) -> tuple[Action, ...]:
        """What follows from a condition."""
        found: tuple[Action, ...] = getattr(self, condition)
        return found


class Monitoring(Section):
    """What is watched after promotion."""

    window: Duration
    schedule: Cron
    drift: Drift
    performance: PerformanceMonitor
    actions: Actions = Actions()
