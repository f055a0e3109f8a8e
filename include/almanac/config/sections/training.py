"""The section `train` of a model's YAML: how models are made, and when."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AwareDatetime, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from almanac.config.grammar.allowed_estimator import AllowedEstimator
from almanac.config.grammar.estimators import (
    BOOSTED_ESTIMATORS,
    CONTINUABLE_ESTIMATORS,
    ENSEMBLES,
    TAKE_UNKNOWN_VALUES,
    Family,
    check_estimator,
)
from almanac.config.grammar.expression import check_expression
from almanac.config.grammar.metric import Metric
from almanac.config.grammar.section import Section
from almanac.config.grammar.threshold import NO_THRESHOLD, parse_threshold
from almanac.config.grammar.types import Cron, Duration, Slug
from almanac.config.sections.learning import WATCHED_ESTIMATORS, EarlyStopping, Learning
from almanac.config.sections.own.program import ProgramCandidate
from almanac.config.sections.search import Scalar, Search, Trials

Impute = Literal["median", "mean", "most_frequent", "zero", "none"]


class Candidate(Section):
    """An estimator that competes. `scale` puts a StandardScaler in front of it."""

    listed: AllowedEstimator | None = Field(
        None, description="What `_installation.yaml` says of the class; Almanac fills it in, a YAML file must not."
    )
    estimator: str = Field(
        description="The class, by its whole name; see docs/add-a-model.md for those that are allowed."
    )
    impute: Impute = Field(
        "median",
        description="Replacement for an unknown value, computed from the training rows; none: the estimator takes it as"
        " it is (LightGBM, XGBoost).",
    )
    scale: bool = Field(description="Whether features are scaled to mean 0 and deviation 1.")
    of: tuple[Slug, ...] = Field(
        (), description="Of a voting or stacking estimator: the candidates that it is made of, at least two."
    )
    params: dict[str, Scalar] = Field(default_factory=dict, description="Arguments of the estimator.")
    search: Search | None = Field(None, description="Parameters to search; the best ones override `params`.")
    learning: Learning | None = Field(None, description="Train in monitored epochs; for SGD and MLP.")
    early_stopping: EarlyStopping | None = Field(
        None, description="Stop adding trees where the newest training rows are predicted no better; for LightGBM."
    )

    @model_validator(mode="after")
    def _learns_in_epochs(self) -> Self:
        if self.learning is not None and self.estimator not in WATCHED_ESTIMATORS:
            raise ValueError(f"learning needs one of {sorted(WATCHED_ESTIMATORS)}; got {self.estimator}")
        if self.early_stopping is not None and self.estimator not in BOOSTED_ESTIMATORS:
            raise ValueError(f"early_stopping needs one of {sorted(BOOSTED_ESTIMATORS)}; got {self.estimator}")
        return self

    @model_validator(mode="after")
    def _limits_read(self) -> Self:
        if self.learning is not None:
            if self.learning.metrics:
                raise ValueError(f"learning.metrics: only a program writes figures of its own; got {self.estimator}")
            self.learning.check_limits((*self.params, *(self.search.space if self.search else ())))
        return self

    @model_validator(mode="after")
    def _is_made_of_others(self) -> Self:
        if (self.estimator in ENSEMBLES) != (len(set(self.of)) >= 2) or len(set(self.of)) != len(self.of):
            raise ValueError(
                f"of: {sorted(ENSEMBLES)} are made of two or more other candidates, each once, and no other estimator"
                f" is; got {self.estimator} of {list(self.of)}"
            )
        if self.of and (self.scale or self.search is not None):
            raise ValueError("of: each of them is scaled as it declares; remove scale: true and search")
        return self

    @model_validator(mode="after")
    def _takes_unknown_values(self) -> Self:
        takes = self.estimator in TAKE_UNKNOWN_VALUES or (self.listed is not None and self.listed.takes_unknown_values)
        if self.impute == "none" and not self.of and not takes:
            raise ValueError(
                f"impute: none needs an estimator that takes unknown values, one of {sorted(TAKE_UNKNOWN_VALUES)}; got"
                f" {self.estimator}. Declare impute: median"
            )
        return self

    @field_validator("estimator")
    @classmethod
    def _allowed(cls, path: str, info: ValidationInfo) -> str:
        return path if info.data.get("listed") is not None else check_estimator(path)


def _kind_of(candidate: Any) -> str:
    is_program = isinstance(candidate, ProgramCandidate) or (isinstance(candidate, dict) and "program" in candidate)
    return "program" if is_program else "estimator"


AnyCandidate = Annotated[
    Annotated[Candidate, Tag("estimator")] | Annotated[ProgramCandidate, Tag("program")], Discriminator(_kind_of)
]
Mode = Literal["scratch", "incremental", "auto"]


class Triggers(Section):
    """What triggers training, besides a person, unless `pipelines.train.when` says otherwise."""

    schedule: Cron | None = Field(None, description="Train then; unset: never by the clock.")
    new_data: bool = Field(True, description="Decide whether to train after each publication.")
    retrain_request: bool = Field(True, description="Decide when the monitor asks.")
    change: bool = Field(False, description="The declaration or the code differs from the champion's.")


class RetrainPolicy(Section):
    """Whether a trigger may train. One policy for all triggers; a manual run overrules it."""

    cooldown: Duration = Field(description="Minimum time since the last granted training.")
    min_new_labelled_rows: Annotated[int, Field(ge=1)] = Field(description="Wanted by new data and schedule.")
    min_fresh_labelled_rows: Annotated[int, Field(ge=1)] = Field(description="Wanted by a retrain request.")
    max_runs_per_week: Annotated[int, Field(ge=1)] = Field(
        description="Trainings that are granted in seven days, at most."
    )


class TimeRange(Section):
    """Rows of a fixed time: from `since` on, until `until` if that is given. The folds are the newest of them."""

    since: AwareDatetime = Field(description="The first event time.")
    until: AwareDatetime | None = Field(None, description="The end of event times; unset: there is none.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until is not None and self.since >= self.until:
            raise ValueError(f"since is not before until; got {self.since} and {self.until}")
        return self


class Backtest(Section):
    """Rolling origin: the newest `folds` x `fold` of labelled rows are predicted by models trained before them.

    The last fold is the hold-out: the registered candidate has never seen it. Earlier folds choose between
    candidates. All folds together cover the seasons. Without a time (`dataset.time: arrival`) each fold is a `share`
    of the keys or groups, by their hash, and is predicted by models trained on those of neither it nor the hold-out.
    """

    folds: Annotated[int, Field(ge=2)] = Field(
        description="Stretches that models of earlier rows predict; the last one is the hold-out."
    )
    fold: Duration = Field(description="How much time a fold takes; not used without a time.")
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.15, description="With `dataset.time: arrival`: about the share of the keys, or groups, in a fold."
    )
    min_train_rows: Annotated[int, Field(ge=1)] = Field(description="Labelled rows before the first fold, at least.")


class Training(Section):
    """How models are made."""

    mode: Mode = Field(
        "scratch",
        description="incremental: continue the champion on newer rows. auto: continue it where that can be done.",
    )
    triggers: Triggers
    policy: RetrainPolicy
    window: Duration | TimeRange | None = Field(
        None, description="Train on this much before each fold, or on rows of a fixed time; none: on everything."
    )
    backtest: Backtest
    metric: Metric = Field(description="Chooses between candidates.")
    threshold: float | str = Field(
        NO_THRESHOLD,
        description="Probability from which the prediction is positive: a number, 'best f1', 'recall >= 0.8'.",
    )
    seed: int = Field(description="Of everything that is drawn.")
    candidates: dict[Slug, AnyCandidate] = Field(min_length=1, description="What is tried, by a name of one's own.")
    trials: Trials = Trials()
    warn: dict[Slug, str] = Field(
        default_factory=dict, description="Name -> condition on parameters and figures that is reported to people."
    )

    @model_validator(mode="after")
    def _warnings_read(self) -> Self:
        for name, condition in self.warn.items():
            check_expression(condition, dict.fromkeys(self.figures, "float"), where=f"warn.{name}")
        return self

    @property
    def figures(self) -> tuple[str, ...]:
        """What a condition of `warn` can name: parameters of the candidates, `train_<metric>`, `holdout_<metric>`."""
        params = {
            name
            for each in self.candidates.values()
            for name in (*each.params, *(each.search.space if each.search else ()))
        }
        return (*sorted(params), *(f"{part}_{metric}" for part in ("train", "holdout") for metric in get_args(Metric)))

    @field_validator("threshold")
    @classmethod
    def _threshold_reads(cls, declared: float | str) -> float | str:
        parse_threshold(declared)
        return declared

    @model_validator(mode="after")
    def _ensembles_fit(self) -> Self:
        for name, ensemble in self.candidates.items():
            for member in ensemble.of:
                found = self.candidates.get(member)
                if not isinstance(found, Candidate) or found.of or found.learning or found.early_stopping:
                    raise ValueError(
                        f"candidates.{name}.of: got {member!r}, expected another estimator, without `of`,"
                        f" `learning` and `early_stopping`; declared are {sorted(self.candidates)}"
                    )
        return self

    @model_validator(mode="after")
    def _mode_fits(self) -> Self:
        can = any(each.estimator in CONTINUABLE_ESTIMATORS for each in self.estimators.values())
        can = can or any(each.continues for each in self.programs.values())
        if self.mode == "incremental" and not can:
            raise ValueError(
                f"mode incremental needs a candidate that can continue; got {sorted(self.candidates)}, expected one of "
                f"{sorted(CONTINUABLE_ESTIMATORS)}, or a program with continues: true"
            )
        return self

    def declared_family(self, name: str) -> Family | Literal[""]:
        """What the installation's list says of a class of this name, without its module; empty: nothing."""
        listed = (one for one in self.estimators.values() if one.listed and one.estimator.rpartition(".")[2] == name)
        return next((one.listed.family for one in listed if one.listed), "")

    @property
    def trusted_types(self) -> tuple[str, ...]:
        """The types that the installation's list lets a fitted pipeline of these candidates hold."""
        return tuple(
            sorted({kind for one in self.estimators.values() if one.listed for kind in one.listed.trusted_types})
        )

    @property
    def programs(self) -> dict[str, ProgramCandidate]:
        """The candidates that programs train, by name."""
        return {name: each for name, each in self.candidates.items() if isinstance(each, ProgramCandidate)}

    @property
    def estimators(self) -> dict[str, Candidate]:
        """The candidates that are estimators, by name."""
        return {name: each for name, each in self.candidates.items() if isinstance(each, Candidate)}
