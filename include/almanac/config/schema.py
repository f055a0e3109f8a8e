"""The schema of a model's YAML file. Frozen, and closed: an unknown key is an error.

Every field that a person may set is described here; `docs/add-a-model.md` shows them in use.
"""

from typing import Self

from pydantic import Field, model_validator

from almanac.config.grammar.estimators import check_kind
from almanac.config.grammar.metric import check_metrics
from almanac.config.grammar.section import Section
from almanac.config.grammar.threshold import NO_THRESHOLD
from almanac.config.grammar.types import Slug
from almanac.config.sections.alerts import Alerts
from almanac.config.sections.backup import Backup
from almanac.config.sections.dataset import Column, Dataset
from almanac.config.sections.expiry import Expire
from almanac.config.sections.features import Feature, check_features, names_of
from almanac.config.sections.gates import Gates, check_behaviour, check_prediction_rules, check_segments
from almanac.config.sections.joins import Join, check_joins, joined_columns
from almanac.config.sections.label import Label, check_rare
from almanac.config.sections.maintenance import Maintenance
from almanac.config.sections.monitoring import Monitoring
from almanac.config.sections.pipelines import Kind, Pipeline, check_pipelines
from almanac.config.sections.promotion import AnyShadow, Approval, Promotion, Rollback
from almanac.config.sections.scoring import Scoring, check_scoring
from almanac.config.sections.serving import Serving
from almanac.config.sections.sources import AnySource
from almanac.config.sections.training import Training
from almanac.config.sections.triggers import Trigger


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
        default_factory=dict, description="What may trigger a pipeline, besides the built-in triggers."
    )
    pipelines: dict[Kind, Pipeline] = Field(default_factory=dict, description="Which rule triggers which pipeline.")
    dataset: Dataset
    maintenance: Maintenance = Maintenance()
    backup: Backup = Backup()
    expire: Expire = Expire()
    label: Label
    joins: dict[Slug, Join] = Field({}, description="Columns of other models' datasets, as of each row's time.")
    features: tuple[Feature, ...] = Field(min_length=1)
    train: Training
    gates: Gates
    promotion: Promotion
    approval: Approval = Approval()
    shadow: AnyShadow = None
    rollback: Rollback = Rollback()
    score: Scoring
    serve: Serving | None = Field(None, description="Answer requests; unset: predictions are made in batches only.")
    monitor: Monitoring
    alerts: Alerts

    @property
    def joined(self) -> dict[str, Column]:
        """The columns that joins add to those of the dataset."""
        return joined_columns(self.joins)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        columns = self.dataset.columns
        known = {**columns, **self.joined}
        if self.label.column not in columns:
            raise ValueError(f"label must name a declared column; got {self.label.column!r}, declared {list(columns)}")
        check_joins(self.joins, columns, self.name)
        check_features(self.features, known)
        self.label.check_column(columns[self.label.column])
        self.label.check_features(self.features)
        self.gates.leak.check_names(names_of(self.features))
        self.monitor.check_segments(columns)
        if self.label.horizon % self.dataset.step:
            raise ValueError("label.horizon must be a multiple of dataset.step")
        self.gates.baselines.check_rules(known, numbers=self.label.is_number)
        check_segments(self.gates.segments, columns)
        check_behaviour(self.gates.behaviour, known)
        self.gates.baselines.check_seasons(self.label.known_after)
        if not self.label.horizon and "persistence" in self.gates.baselines.kinds:
            raise ValueError("gates.baselines.kinds: persistence equals the label when label.horizon is 0s")
        return self

    @model_validator(mode="after")
    def _kind_of_label_fits(self) -> Self:
        numbers = self.label.is_number
        check_metrics(self)
        check_kind((each.estimator for each in self.train.candidates.values()), numbers=numbers)
        check_prediction_rules(self.gates, numbers=numbers)
        if numbers and self.train.threshold != NO_THRESHOLD:
            raise ValueError(
                f"train.threshold: a label that is a number needs no threshold; got {self.train.threshold!r}, remove it"
            )
        return self

    @model_validator(mode="after")
    def _rare_labels_are_not_chosen_by_accuracy(self) -> Self:
        if self.label.share is not None:
            check_rare(self, self.label.share)
        return self

    @model_validator(mode="after")
    def _triggers_agree(self) -> Self:
        check_pipelines(self)
        check_scoring(self)
        return self
