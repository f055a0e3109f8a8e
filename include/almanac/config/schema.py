"""The schema of a model's YAML file. Frozen, and closed: an unknown key is an error.

Every field that a person may set is described here; `docs/add-a-model.md` shows them in use.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from almanac.config.grammar.estimators import check_kind
from almanac.config.grammar.label_kind import NUMBER
from almanac.config.grammar.metric import check_metrics
from almanac.config.grammar.section import Section
from almanac.config.grammar.threshold import NO_THRESHOLD
from almanac.config.grammar.types import Slug
from almanac.config.sections.alerts import Alerts
from almanac.config.sections.arrival import check_arrival
from almanac.config.sections.costs import Budget
from almanac.config.sections.dataset import Column, Dataset
from almanac.config.sections.features import Feature, check_features, names_of
from almanac.config.sections.forecast import Forecast, check_forecast
from almanac.config.sections.gates import Gates, check_behaviour, check_prediction_rules, check_segments
from almanac.config.sections.joins import Join, check_joins, joined_columns
from almanac.config.sections.label import Label, check_rare, with_values_of_classes
from almanac.config.sections.monitoring import Monitoring
from almanac.config.sections.own.program import check_programs
from almanac.config.sections.pipelines import (
    BUILT_IN,
    FORECAST_KINDS,
    KINDS,
    OWN_SCHEDULE,
    Kind,
    Pipeline,
    check_pipelines,
)
from almanac.config.sections.promotion import AnyShadow, Approval, Promotion, Rollback
from almanac.config.sections.retention.backup import Backup
from almanac.config.sections.retention.expiry import Expire
from almanac.config.sections.retention.maintenance import Maintenance
from almanac.config.sections.rollout import Rollout, check_rollout
from almanac.config.sections.scoring import Scoring, check_scoring
from almanac.config.sections.serving import Serving
from almanac.config.sections.sources import AnySource
from almanac.config.sections.training import Training
from almanac.config.sections.triggers import Trigger


class Declared(Section):
    """What every kind of model declares: whose it is, and the dataset that its files become."""

    name: Slug = Field(description="The name of the file without its ending; DAGs, tables and folders carry it.")
    title: str = Field(description="A few words for pages and messages.")
    description: str = Field(description="What it predicts and for whom, in a sentence or two.")
    owner: str = Field(description="Who answers for it; the owner of its DAGs in Airflow.")
    tags: tuple[str, ...] = Field((), description="To find its DAGs by in Airflow.")
    enabled: bool = Field(True, description="False: the DAGs exist but are paused when created.")
    source: AnySource
    triggers: dict[Slug, Trigger] = Field(
        default_factory=dict, description="What may trigger a pipeline, besides the built-in triggers."
    )
    pipelines: dict[Kind, Pipeline] = Field(default_factory=dict, description="Which rule triggers which pipeline.")
    dataset: Dataset
    maintenance: Maintenance = Maintenance()
    backup: Backup = Backup()
    alerts: Alerts

    every_kind: ClassVar[tuple[Kind, ...]] = ()
    built_in_triggers: ClassVar[tuple[str, ...]] = ()

    @property
    def dataset_owner(self) -> str:
        """The model whose dataset it is: itself, or the one whose dataset it shares."""
        return self.dataset.of or self.name

    @property
    def is_owner(self) -> bool:
        """Whether the dataset is its own, so that files land for it."""
        return self.dataset_owner == self.name

    @property
    def pipeline_kinds(self) -> tuple[Kind, ...]:
        """The pipelines that it has; ingest is the owner's alone."""
        return tuple(kind for kind in self.every_kind if kind != "ingest" or self.is_owner)

    @abstractmethod
    def default_triggers(self, kind: Kind) -> list[str]:
        """The names, joined by `or`, that trigger a pipeline whose `when` is not declared; none: only a person."""

    @abstractmethod
    def own_cron(self, kind: Kind) -> str | None:
        """The schedule that stands in the pipeline's own section."""

    def _ingest_triggers(self) -> list[str]:
        # A run lands what it fetches: an event for it would trigger another run, which would fetch again.
        return [*(["arrival"] if self.source.kind == "files" else []), OWN_SCHEDULE]


class Model(Declared):
    """A declared model that predicts a label."""

    expire: Expire = Expire()
    label: Label
    joins: dict[Slug, Join] = Field({}, description="Columns of other models' datasets, as of each row's time.")
    features: tuple[Feature, ...] = Field(min_length=1, description="What the model sees of a row, in this order.")
    train: Training
    gates: Gates
    promotion: Promotion = Field(
        description="Who makes a version champion that passed its gates: auto: the rules, unless they ask for a person;"
        " approve: always a person's answer; manual: the command `promote` only."
    )
    approval: Approval = Approval()
    budget: Budget | None = Field(None, description="What its tasks may cost in a month; unset: there is no limit.")
    shadow: AnyShadow = None
    rollback: Rollback = Rollback()
    score: Scoring
    serve: Serving | None = Field(None, description="Answer requests; unset: predictions are made in batches only.")
    rollout: Rollout | None = Field(
        None, description="Let a new version take over requests step by step; unset: at once, when it is promoted."
    )
    monitor: Monitoring

    every_kind: ClassVar[tuple[Kind, ...]] = KINDS
    built_in_triggers: ClassVar[tuple[str, ...]] = tuple(BUILT_IN)

    def default_triggers(self, kind: Kind) -> list[str]:
        """See `Declared`."""
        triggers = self.train.triggers
        return {
            "ingest": self._ingest_triggers(),
            "train": [
                *(["dataset"] if triggers.new_data else []),
                *(["retrain_request"] if triggers.retrain_request else []),
                *(["change"] if triggers.change else []),
                *([OWN_SCHEDULE] if triggers.schedule else []),
            ],
            "score": ["dataset", "champion"],
            "monitor": ["predictions", OWN_SCHEDULE],
        }[kind]

    def own_cron(self, kind: Kind) -> str | None:
        """See `Declared`."""
        return {
            "ingest": self.source.sweep,
            "train": self.train.triggers.schedule,
            "score": None,
            "monitor": self.monitor.schedule,
        }[kind]

    @property
    def joined(self) -> dict[str, Column]:
        """The columns that joins add to those of the dataset."""
        return joined_columns(self.joins)

    @model_validator(mode="before")
    @classmethod
    def _classes_are_the_values(cls, data: Any) -> Any:
        return with_values_of_classes(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        columns = self.dataset.columns
        known = {**columns, **self.joined}
        if self.label.column not in columns:
            raise ValueError(f"label must name a declared column; got {self.label.column!r}, declared {list(columns)}")
        check_joins(self.joins, columns, self.dataset_owner)
        check_features(self.features, known)
        check_arrival(self)
        self.label.check_column(columns[self.label.column])
        self.label.check_features(self.features)
        self.gates.leak.check_names(names_of(self.features))
        self.monitor.check_segments(columns)
        if self.label.horizon % self.dataset.step:
            raise ValueError("label.horizon must be a multiple of dataset.step")
        self.gates.baselines.check_rules(known, self.label.kind)
        check_segments(self.gates.segments, columns)
        check_behaviour(self.gates.behaviour, known)
        self.gates.baselines.check_seasons(self.label.known_after)
        if not self.label.horizon and "persistence" in self.gates.baselines.kinds:
            raise ValueError("gates.baselines.kinds: persistence equals the label when label.horizon is 0s")
        return self

    @model_validator(mode="after")
    def _kind_of_label_fits(self) -> Self:
        kind = self.label.kind
        check_metrics(self)
        predicts = "number" if kind is NUMBER else "classes"
        listed = {
            one.estimator for one in self.train.estimators.values() if one.listed and one.listed.predicts == predicts
        }
        check_kind((each.estimator for each in self.train.estimators.values()), kind.estimators | listed, kind.words)
        check_programs(self.train.programs, self.features)
        check_prediction_rules(self.gates, kind)
        self.gates.behaviour.check_classes(self.label.classes)
        if not kind.has_threshold and self.train.threshold != NO_THRESHOLD:
            what = "is a number" if kind is NUMBER else "has several classes: the likeliest one is predicted, and it"
            raise ValueError(
                f"train.threshold: a label that {what} needs no threshold; got {self.train.threshold!r}, remove it"
            )
        return self

    @model_validator(mode="after")
    def _rare_labels_are_not_chosen_by_accuracy(self) -> Self:
        if self.label.share is not None:
            check_rare(self, {"0": 1 - self.label.share, "1": self.label.share})
        return self

    @model_validator(mode="after")
    def _triggers_agree(self) -> Self:
        check_pipelines(self)
        check_scoring(self)
        check_rollout(self)
        return self


class ForecastModel(Declared):
    """A declared forecast by grain. Its file says `kind: forecast`."""

    kind: Literal["forecast"]
    forecast: Forecast

    every_kind: ClassVar[tuple[Kind, ...]] = FORECAST_KINDS
    built_in_triggers: ClassVar[tuple[str, ...]] = ("arrival", "dataset")

    def default_triggers(self, kind: Kind) -> list[str]:
        """See `Declared`."""
        if kind == "ingest":
            return self._ingest_triggers()
        return ["dataset", *([OWN_SCHEDULE] if self.forecast.schedule else [])]

    def own_cron(self, kind: Kind) -> str | None:
        """See `Declared`."""
        return self.source.sweep if kind == "ingest" else self.forecast.schedule

    @model_validator(mode="after")
    def _forecast_fits(self) -> Self:
        check_forecast(self.forecast, self.dataset)
        if self.triggers:
            raise ValueError(
                f"triggers: a forecast has none; got {sorted(self.triggers)}. It runs when its dataset has a new"
                " version, and by forecast.schedule"
            )
        check_pipelines(self)
        return self
