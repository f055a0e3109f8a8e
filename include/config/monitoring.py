"""What is watched of a model after promotion, and what follows from it."""

from typing import Annotated, Literal

from pydantic import Field

from include.config.metric import Metric
from include.config.section import Section, Share
from include.config.types import Cron, Duration


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

    metric: Metric
    max_loss: Annotated[float, Field(gt=0)] = Field(description="Allowed loss against the hold-out figure.")
    min_rows: Annotated[int, Field(ge=1)]


class Monitoring(Section):
    """What is watched after promotion."""

    window: Duration
    schedule: Cron
    drift: Drift
    performance: PerformanceMonitor
