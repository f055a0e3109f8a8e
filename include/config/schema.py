"""The schema of a model's YAML file. Frozen, and closed: an unknown key is an error.

Every field that a person may set is described here; `docs/add-a-model.md` shows them in use.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from include.config.dataset import Dataset
from include.config.features import ColumnFeature, Feature
from include.config.maintenance import Maintenance
from include.config.metric import Metric
from include.config.monitoring import Monitoring
from include.config.pipelines import Kind, Pipeline, check_pipelines
from include.config.section import Section, Share
from include.config.sources import AnySource
from include.config.training import Training
from include.config.triggers import Trigger
from include.config.types import Duration, Slug

Baseline = Literal["majority", "persistence", "stump"]
Segment = Literal["season", "month", "hour_of_day"]


class Label(Section):
    """What is to be foretold. Row *t* carries what is true at *t + horizon*, joined on time."""

    name: Slug
    column: str
    equals: str = Field(description="The label is 1 where the column has this value, else 0.")
    horizon: Duration


class BaselineGate(Section):
    """Better than the best naive rule on the hold-out."""

    metric: Metric
    margin: Annotated[float, Field(ge=0)]
    kinds: tuple[Baseline, ...] = Field(min_length=1)


class ChampionGate(Section):
    """Not worse than the champion on the same hold-out, by a paired bootstrap interval."""

    metric: Metric
    max_loss: Annotated[float, Field(ge=0)]
    resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


class SegmentGate(Section):
    """Not worse than the best naive rule in any segment.

    `rows: holdout` judges the candidate itself; segments that the hold-out lacks are named as not judged. `rows:
    backtest` judges its recipe on all folds, so that every season is there, but refuses for as long as a change of
    the world lies within a fold that no model could have foreseen.
    """

    by: Segment
    rows: Literal["holdout", "backtest"] = "holdout"
    metric: Metric
    max_loss: Annotated[float, Field(ge=0)]
    min_rows: Annotated[int, Field(ge=1)]
    required: tuple[str, ...] = Field((), description="Segments that must be there with min_rows.")


class ParityGate(Section):
    """ONNX and scikit-learn say the same on the hold-out and on boundary rows."""

    min_label_agreement: Share
    max_probability_difference: Annotated[float, Field(gt=0)]
    quantile: Share = Field(description="The quantile of the differences that the limit is for.")


class Gates(Section):
    """What a candidate must pass. All of them, in this order, always."""

    absolute: dict[Metric, float] = Field(min_length=1, description="Lower limits (log_loss: upper limit).")
    baselines: BaselineGate
    champion: ChampionGate
    segments: SegmentGate
    parity: ParityGate


class Scoring(Section):
    """How predictions are made."""

    window: Duration = Field(description="Predictions are written, and replaced, by windows of this size.")


class Alerts(Section):
    """Who is told. Addresses and secrets live in the Airflow connections that are named here."""

    webhook_connection: str | None = None
    smtp_connection: str | None = None
    recipients: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _mail_has_recipients(self) -> Self:
        if self.smtp_connection and not self.recipients:
            raise ValueError("smtp_connection is set but recipients is empty; add at least one address")
        return self


class Model(Section):
    """One declared model."""

    name: Slug
    title: str
    description: str
    owner: str
    tags: tuple[str, ...] = ()
    enabled: bool = Field(True, description="False: the DAGs exist but are paused when created.")
    source: AnySource
    triggers: dict[Slug, Trigger] = Field(
        default_factory=dict, description="What may wake a pipeline, beside the built-in bells."
    )
    pipelines: dict[Kind, Pipeline] = Field(default_factory=dict, description="Which rule wakes which pipeline.")
    dataset: Dataset
    maintenance: Maintenance = Maintenance()
    label: Label
    features: tuple[Feature, ...] = Field(min_length=1)
    train: Training
    gates: Gates
    promotion: Literal["auto", "manual"]
    score: Scoring
    monitor: Monitoring
    alerts: Alerts

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        columns = self.dataset.columns
        used = [self.label.column, *(f.column for f in self.features if isinstance(f, ColumnFeature))]
        unknown = sorted({name for name in used if name not in columns})
        if unknown:
            raise ValueError(f"label and features must name declared columns; got {unknown}, declared {list(columns)}")
        values = columns[self.label.column].values
        if values is not None and self.label.equals not in values:
            raise ValueError(f"label.equals is not among the column's values; got {self.label.equals!r}, {values}")
        if self.label.horizon % self.dataset.step:
            raise ValueError("label.horizon must be a multiple of dataset.step")
        return self

    @model_validator(mode="after")
    def _triggers_agree(self) -> Self:
        check_pipelines(self)
        return self
