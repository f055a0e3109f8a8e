"""What a model's YAML says about gates; `docs/gates.md` explains each of them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import AliasChoices, Field, model_validator

from almanac.config.grammar.estimators import Family
from almanac.config.grammar.expression import check_expression
from almanac.config.grammar.label_kind import NUMBER, LabelKind
from almanac.config.grammar.metric import Metric
from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Slug
from almanac.config.sections.dataset import Column

Season = Literal["day_ago", "week_ago", "year_ago"]
Baseline = Literal["majority", "mean", "persistence", "stump", Season]
SEASONS: dict[Season, timedelta] = {
    "day_ago": timedelta(days=1),
    "week_ago": timedelta(days=7),
    "year_ago": timedelta(days=365),
}
"""How far back the seasonal rules look: to the same hour of then."""

Segment = Literal["season", "month", "hour_of_day", "all"]


class BaselineGate(Section):
    """Better than the best baseline on the hold-out."""

    metric: Metric = Field(description="By which they are compared, on the hold-out.")
    margin: Annotated[float, Field(ge=0)] = Field(
        description="How much better than the best of them the candidate must be."
    )
    kinds: tuple[Baseline, ...] = Field(min_length=1, description="The rules that the candidate must beat.")
    rules: dict[Slug, str] = Field(
        {}, description="More of them: name -> condition on a row's columns; of a number: arithmetic on them."
    )

    @property
    def names(self) -> tuple[str, ...]:
        """All rules, those that are built in and those that are declared."""
        return (*self.kinds, *self.rules)

    def check_rules(self, columns: Mapping[str, Column], kind: LabelKind) -> None:
        """Refuse a declared rule that cannot be read, has the name of a built-in one, or predicts no class.

        Raises:
            ValueError: there is one.
        """
        types = {name: column.type for name, column in columns.items()}
        for name, text in self.rules.items():
            if name in get_args(Baseline):
                raise ValueError(f"gates.baselines.rules: {name} is built in; give the rule another name")
            if not kind.rules:
                raise ValueError(
                    f"gates.baselines.rules.{name}: a condition says yes or no; the label is {kind.words}. Remove it;"
                    " majority, persistence, seasons and stump predict classes"
                )
            check_expression(text, types, where=f"gates.baselines.rules.{name}", wanted=kind.rules)

    def check_seasons(self, known_after: timedelta) -> None:
        """Refuse a seasonal rule that would have to know what is not known yet.

        Raises:
            ValueError: a season is shorter than labels take to be known.
        """
        early = [kind for kind in self.kinds if kind in SEASONS and SEASONS[kind] < known_after]
        if early:
            raise ValueError(
                f"gates.baselines.kinds: {', '.join(early)} would use labels that are known only {known_after} after"
                " their row; remove them, or choose a longer season"
            )


class ChampionGate(Section):
    """Held against the champion, and the best version of the last year, on the same hold-out: a paired interval."""

    metric: Metric = Field(description="By which they are compared, on the same rows.")
    must: Literal["not_worse", "beat"] = Field(
        "not_worse",
        description="not_worse: not significantly below the champion; where it is as good, made from newer data,"
        " another declaration or other code. beat: significantly above it.",
    )
    max_loss: Annotated[float, Field(ge=0)] = Field(
        description="How far below the champion, and below the best version of the last year, the lower end of the"
        " interval may lie."
    )
    resamples: Annotated[int, Field(ge=100)] = Field(description="Draws of the bootstrap.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(description="Of the interval of the difference.")


class SegmentGate(Section):
    """Not worse than the best baseline in any segment.

    `rows: holdout` judges the candidate itself; segments that the hold-out lacks are named as not judged. `rows:
    backtest` judges its recipe on all folds, so that every season is there, but refuses for as long as a change of
    the world lies within a fold that no model could have foreseen.
    """

    by: Segment | str = Field(description="season, month, hour_of_day, a text column of the dataset, or all: no parts.")
    rows: Literal["holdout", "backtest"] = Field("holdout", description="Which rows are split into segments.")
    metric: Metric = Field(description="Measured in each segment.")
    max_loss: Annotated[float, Field(ge=0)] = Field(
        description="How much worse than its best baseline any segment may be."
    )
    min_rows: Annotated[int, Field(ge=1)] = Field(
        description="Smaller segments are not judged; a required one is refused."
    )
    required: tuple[str, ...] = Field((), description="Segments that must be there with min_rows.")


class ParityLimits(Section):
    """How far ONNX may be from scikit-learn."""

    min_label_agreement: Share = Field(description="Numbers agree when they differ by 0.1 % of their spread or less.")
    max_probability_difference: Annotated[float, Field(gt=0)] = Field(
        description="Of a probability; of a number, in units of its spread on the hold-out (standard deviation)."
    )


class ParityGate(ParityLimits):
    """ONNX and scikit-learn say the same on the hold-out and on boundary rows; no other label without a cause."""

    quantile: Share = Field(description="The quantile of the differences that the limit is for.")
    families: dict[Family, ParityLimits] = Field({}, description="Other limits for a family of estimators.")

    def limits_of(self, family: str) -> ParityLimits:
        """The limits for an estimator of this family."""
        return next((limits for name, limits in self.families.items() if name == family), self)


class VariationGate(Section):
    """How differently from the champion a candidate may decide before a person is asked."""

    ask_above: Share = Field(description="Share of the hold-out's rows that get another label than from the champion.")
    differs_by: Annotated[float, Field(gt=0)] = Field(
        0.5, description="A number counts as different beyond this, in standard deviations of the labels."
    )


class CalibrationGate(Section):
    """What is predicted with 30 % happens in about 30 % of the cases.

    Of a number: it is not too high or too low on average, and an interval around it keeps its promise. The interval is
    as wide as `coverage` of the misses on the folds before the hold-out were (split conformal).
    """

    max_ece: Share = Field(description="Expected calibration error: the mean distance of share from probability.")
    max_bias: Annotated[float, Field(gt=0)] = Field(
        0.2, description="Of a number: its mean error, without sign, in standard deviations of the labels."
    )
    coverage: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.9, description="Nominal coverage of the interval.")
    max_short: Share = Field(0.1, description="How much less of the hold-out may lie within the interval.")
    max_brier: Share | None = Field(None, description="Mean squared distance of probability from label.")
    bins: Annotated[int, Field(ge=2)] = Field(10, description="Into how many groups probabilities are put.")
    min_rows: Annotated[int, Field(ge=1)] = Field(200, description="A smaller hold-out is refused.")


class GapGate(Section):
    """Not much better on the rows it was trained on than on the hold-out."""

    metric: Metric = Field(description="Compared between training rows and hold-out.")
    max_gap: Annotated[float, Field(ge=0)] = Field(description="How much worse the hold-out may be.")


class LeakGate(Section):
    """No feature that reaches the label almost alone or repeats it, and no hold-out that stands in training."""

    max_explained: Share = Field(
        0.9, description="How much of the variance of the hold-out's labels a single feature may explain."
    )
    expected_strong: tuple[str, ...] = Field((), description="Features that may exceed this for a known reason.")
    max_duplicates: Share = Field(
        0.05,
        description="Share of the hold-out that may also be in the training rows: same features and label,"
        " beyond chance.",
    )

    def check_names(self, features: Iterable[str]) -> None:
        """Refuse the name of a feature that there is not.

        Raises:
            ValueError: there is one.
        """
        if unknown := sorted(set(self.expected_strong) - set(features)):
            raise ValueError(f"gates.leak.expected_strong: no feature {unknown}; there are {sorted(features)}")


class Invariance(Section):
    """Changing a column (`to` a value, or `by` a number) changes no answer."""

    column: str = Field(description="What is changed in each row.")
    to: float | str | None = Field(None, description="The value that it gets.")
    by: float | None = Field(None, description="What is added to it.")
    max_difference: Annotated[float, Field(ge=0)] = Field(1.0e-6, description="How far a prediction may move.")

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if (self.to is None) == (self.by is None):
            raise ValueError(f"{self.column}: exactly one of to and by must be given")
        return self


class Direction(Section):
    """Changing a column `by` a number moves the answer one way, on at least `share` of the rows."""

    column: str = Field(description="What is changed in each row.")
    by: float = Field(description="What is added to it.")
    probability: Literal["not_lower", "not_higher"] = Field(
        validation_alias=AliasChoices("probability", "prediction"), description="Of a number: `prediction`."
    )
    share: Share = Field(description="Of how many rows the prediction must move that way, at least.")
    class_: str | None = Field(
        None,
        validation_alias=AliasChoices("class", "class_"),
        serialization_alias="class",
        description="Of several classes: whose probability it is.",
    )

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.by == 0:
            raise ValueError(f"{self.column}: by 0 changes nothing; give the change whose effect is known")
        return self


class Case(Section):
    """Rows that must come out so. The last one is predicted, those before it are its history; unknown is left out."""

    rows: tuple[dict[str, float | str | None], ...] = Field(
        min_length=1,
        description="Consecutive rows, of which the last one is predicted; columns that are not given are empty.",
    )
    at_least: float | None = Field(None, description="The lowest prediction that passes.")
    at_most: float | None = Field(None, description="The highest prediction that passes.")
    class_: str | None = Field(
        None,
        validation_alias=AliasChoices("class", "class_"),
        serialization_alias="class",
        description="Of several classes: whose probability it is.",
    )

    @model_validator(mode="after")
    def _expects(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("expects nothing; give at_least or at_most, a probability or a number")
        return self


class BehaviourGate(Section):
    """What is known of the world before any data: tests of the candidate's answers, on rows of the hold-out."""

    invariance: tuple[Invariance, ...] = Field((), description="Changes that must not move a prediction.")
    direction: tuple[Direction, ...] = Field((), description="Changes that must move it one way.")
    cases: dict[Slug, Case] = Field(
        default_factory=dict, description="Rows whose prediction is known, by a name of one's own."
    )

    def changed_columns(self) -> tuple[str, ...]:
        """The columns that the tests change."""
        return (*(one.column for one in self.invariance), *(one.column for one in self.direction))

    def check_classes(self, classes: tuple[str, ...] | None) -> None:
        """Refuse a test that does not say whose probability it is about, or names a class that there is not.

        Raises:
            ValueError: there is one.
        """
        named = {f"direction {one.column}": one.class_ for one in self.direction}
        named |= {f"cases.{name}": one.class_ for name, one in self.cases.items()}
        for place, name in named.items():
            if classes is None and name is not None:
                raise ValueError(f"gates.behaviour: {place}: class is of labels with several classes; remove it")
            if classes is not None and name not in classes:
                raise ValueError(
                    f"gates.behaviour: {place}: class says whose probability it is; got {name!r}, expected one of"
                    f" {list(classes)}"
                )


def check_segments(gate: SegmentGate, columns: Mapping[str, Column]) -> None:
    """Refuse segments by what is neither a part of time nor a text column.

    Raises:
        ValueError: they are.
    """
    if gate.by in get_args(Segment):
        return
    texts = [name for name, column in columns.items() if column.type == "string"]
    if gate.by not in texts:
        raise ValueError(
            f"gates.segments.by: got {gate.by!r}, expected one of {list(get_args(Segment))} or of the text columns"
            f" {texts}"
        )


def check_behaviour(gate: BehaviourGate, columns: Mapping[str, Column]) -> None:
    """Refuse a test of behaviour that names what there is not, or adds to what is no number.

    Raises:
        ValueError: it does.
    """
    shifted = [one.column for one in gate.direction] + [one.column for one in gate.invariance if one.by is not None]
    named = [*shifted, *(one.column for one in gate.invariance)]
    named += [name for case in gate.cases.values() for row in case.rows for name in row]
    unknown = sorted({name for name in named if name not in columns})
    if unknown:
        raise ValueError(f"gates.behaviour must name declared columns; got {unknown}, declared {list(columns)}")
    texts = sorted({name for name in shifted if columns[name].type not in ("float", "integer")})
    if texts:
        raise ValueError(f"gates.behaviour: by needs a number; got {texts}, of which none is a float or an integer")


def check_prediction_rules(gates: "Gates", kind: LabelKind) -> None:
    """Refuse cases beyond what a probability can be, and baselines of the other kind of label.

    Raises:
        ValueError: there is one.
    """
    if kind.alien in gates.baselines.kinds:
        raise ValueError(f"gates.baselines.kinds: got {kind.alien}, expected {kind.constant} for this kind of label")
    limits = (limit for case in gates.behaviour.cases.values() for limit in (case.at_least, case.at_most))
    if kind is not NUMBER and (beyond := [limit for limit in limits if limit is not None and not 0 <= limit <= 1]):
        raise ValueError(f"gates.behaviour.cases: a probability lies between 0 and 1; got {beyond}")


class BudgetGate(Section):
    """How large and how slow the served graph may be."""

    max_size_mb: Annotated[float, Field(gt=0)] = Field(description="Of the graph.")
    max_latency_ms: Annotated[float, Field(gt=0)] = Field(
        description="Of one row in onnxruntime, the fastest of several calls."
    )


class Gates(Section):
    """What a candidate must pass. All of them, in this order, always."""

    leak: LeakGate = LeakGate()
    absolute: dict[Metric, float] = Field(
        min_length=1, description="Lower limits; upper ones of errors, and of bias without its sign."
    )
    baselines: BaselineGate
    champion: ChampionGate
    segments: SegmentGate
    calibration: CalibrationGate
    gap: GapGate
    behaviour: BehaviourGate = BehaviourGate()
    budget: BudgetGate
    variation: VariationGate
    parity: ParityGate
