"""The section `label` of a model's YAML: what is to be predicted, and when it becomes known."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from almanac.config.grammar.label_kind import CLASSES, NUMBER, YES_NO, LabelKind
from almanac.config.grammar.metric import Metric
from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Duration, Slug, format_duration
from almanac.config.sections.dataset import Column
from almanac.config.sections.features import ColumnFeature, Feature

if TYPE_CHECKING:
    from almanac.config.schema import Model

RARE = 0.1
"""Below this share of one label, a model that never says it is right nine times in ten."""
MIN_CLASSES, MAX_CLASSES = 3, 100  # the file of a backtest holds a probability for each class and row


def _as_text(value: object) -> object:
    """A class that YAML reads as a number is the text of that number in the file."""
    if isinstance(value, bool):
        words = f"YAML reads this class as {str(value).lower()}; put it in quotes, as the file writes it"
        raise ValueError(words)  # noqa: TRY004 - pydantic reports no TypeError
    return str(value) if isinstance(value, int) else value


ClassName = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | int), Field(min_length=1)]


class Label(Section):
    """What is to be predicted: yes or no, a number, or one of several classes.

    Row *t* carries what is true at *t + horizon*, joined on time.
    """

    name: Slug = Field(description="Of what is predicted; the column of labels carries it.")
    column: str = Field(description="Of the dataset, at the predicted time.")
    equals: str | None = Field(
        None, description="The label is 1 where the column has this value, else 0; unset: it is the column's number."
    )
    classes: tuple[ClassName, ...] | None = Field(
        None, description="Instead of equals: the label is one of these values of the column, three or more."
    )
    other: ClassName | None = Field(
        None,
        description="The class that every other value of the column counts as; unset: rows with another value are"
        " quarantined.",
    )
    horizon: Duration = Field(description="How long after the row's time; 0s: of the row itself.")
    delay: Duration = Field(timedelta(0), description="How long after *t + horizon* it becomes known.")
    share: Share | None = Field(None, description="About how many rows have the label 1, where that is known.")

    @property
    def kind(self) -> LabelKind:
        """What kind of label it is."""
        if self.classes is not None:
            return CLASSES
        return NUMBER if self.equals is None else YES_NO

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The figures that are defined for it."""
        return self.kind.metrics

    @property
    def question(self) -> str:
        """What is predicted, in words."""
        if self.classes is not None:
            return f"which of {', '.join(self.classes)} {self.column} is"
        return self.column if self.equals is None else f"whether {self.column} is {self.equals}"

    @property
    def class_count(self) -> int:
        """The number of classes; 0 for other kinds of labels."""
        return len(self.classes or ())

    @property
    def probability_columns(self) -> dict[str, str]:
        """Class -> its column of the predictions, in the order of the classes; empty for other kinds of labels."""
        return {name: f"probability_{_column_part(name)}" for name in self.classes or ()}

    @model_validator(mode="after")
    def _kind_is_clear(self) -> Self:
        if self.kind is not YES_NO and self.share is not None:
            what = "a number has none" if self.kind is NUMBER else "classes have none"
            raise ValueError(f"share is of labels that are 1; {what}. Remove it, or give equals")
        if self.classes is not None and self.equals is not None:
            raise ValueError(
                f"equals and classes exclude each other; got equals {self.equals!r} and classes {list(self.classes)}."
                " Keep equals for yes or no, classes for one of several"
            )
        if self.other is not None and self.other not in (self.classes or ()):
            raise ValueError(
                f"other must be one of the classes; got {self.other!r}, classes {list(self.classes or ())}. Add it to"
                " them, or remove other"
            )
        return self

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        if self.classes is None:
            return self
        if twice := sorted(name for name, count in Counter(self.classes).items() if count > 1):
            raise ValueError(f"classes: {twice} stand there more than once; remove the repetition")
        if len(self.classes) < MIN_CLASSES:
            raise ValueError(
                f"classes: got {len(self.classes)}, expected {MIN_CLASSES} or more. Of two values one is yes: give"
                f" equals: {self.classes[-1] if self.classes else '<value>'} instead of classes"
            )
        if len(self.classes) > MAX_CLASSES:
            raise ValueError(f"classes: got {len(self.classes)}, expected at most {MAX_CLASSES}. Join rare ones")
        columns = Counter(column.casefold() for column in self.probability_columns.values())
        if alike := [name for name, column in self.probability_columns.items() if columns[column.casefold()] > 1]:
            raise ValueError(
                f"classes: {alike} would share a column of the predictions, because only letters, digits and _ of a"
                " name stay. Map one to another name in the column's normalise.map"
            )
        return self

    def check_column(self, column: Column) -> None:
        """Refuse a column that the label cannot be read from.

        Raises:
            ValueError: it has no such value, or is no number.
        """
        if self.classes is not None:
            self._check_class_column(column, self.classes)
            return
        if self.kind is NUMBER and column.type not in ("float", "integer"):
            raise ValueError(
                f"label: without equals the label is the number in its column; {self.column} is a {column.type}. Give "
                "equals or classes, or a column of type float or integer"
            )
        if column.values is not None and self.equals not in column.values:
            raise ValueError(f"label.equals is not among the column's values; got {self.equals!r}, {column.values}")

    def _check_class_column(self, column: Column, classes: tuple[str, ...]) -> None:
        if column.type != "string":
            raise ValueError(
                f"label.classes needs a column of type string; {self.column} is a {column.type}. Declare type: string;"
                " numbers are then read as they are written"
            )
        allowed = classes if column.values is None else column.values
        if absent := sorted(set(classes) - set(allowed)):
            raise ValueError(
                f"label.classes: {absent} are not among the column's values {list(allowed)}; add them there"
            )
        if self.other is None and (more := sorted(set(allowed) - set(classes))):
            raise ValueError(
                f"label.classes: the column's values {more} belong to no class; got {list(classes)}. Add them to the"
                " classes, or give other: the class that they count as"
            )

    def check_features(self, features: "Iterable[Feature]") -> None:
        """Refuse a feature that sees the label of its own row. Only without a horizon can one: none sees the future.

        Raises:
            ValueError: there is one.
        """
        if self.horizon:
            return
        for feature in features:
            lag = feature.lag if isinstance(feature, ColumnFeature) else None
            if self.column in feature.columns and not (lag and lag >= self.known_after):
                least = f"a lag of at least {format_duration(self.delay)}" if self.delay else "a lag"
                raise ValueError(
                    f"features: {feature.names[0]} contains the label itself, {self.column} of its own row, when "
                    f"label.horizon is 0s; remove it, take {least}, or give a horizon"
                )

    @property
    def known_after(self) -> timedelta:
        """How long after its row a label is known."""
        return self.horizon + self.delay


def with_values_of_classes(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A declaration whose label's column allows the classes alone, unless it says other values, or `other` takes them.

    So a row of another class is quarantined by the rule `<column>.values`, which names it.

    Args:
        data: of a model, not validated yet.
    """
    try:
        classes, name, other = (data["label"].get(key) for key in ("classes", "column", "other"))
        column = data["dataset"]["columns"][name]
        if classes is None or other is not None or column.get("values") is not None or column["type"] != "string":
            return data
    except (KeyError, TypeError, AttributeError):  # said by the validation of the sections
        return data
    columns = {**data["dataset"]["columns"], name: {**column, "values": [_as_text(one) for one in classes]}}
    return {**data, "dataset": {**data["dataset"], "columns": columns}}


def _column_part(name: str) -> str:
    """The name of a class within the name of a column, which every reader of Delta tables takes."""
    return "".join(sign if sign.isalnum() or sign == "_" else "_" for sign in name)


def check_rare(model: "Model", shares: Mapping[str, float]) -> None:
    """Refuse accuracy where one label is frequent: a constant prediction would win.

    Args:
        model: declares what candidates are chosen and compared by.
        shares: of the labels, by their names.

    Raises:
        ValueError: a candidate would be chosen, or held against others, by accuracy.
    """
    most = max(shares, key=lambda name: shares[name])
    if shares[most] <= 1 - RARE:
        return
    words = (
        f"{shares['1']:.2%} of the labels are 1"
        if "1" in shares and model.label.kind is YES_NO
        else (f"{shares[most]:.2%} of the labels are {most}")
    )
    instead = "average_precision, f1 or balanced_accuracy"
    if model.label.kind is CLASSES:
        instead = "balanced_accuracy, f1_macro or worst_recall"
    chosen = {
        "train.metric": model.train.metric,
        "gates.baselines.metric": model.gates.baselines.metric,
        "gates.champion.metric": model.gates.champion.metric,
    }
    if by_accuracy := [place for place, metric in chosen.items() if metric == "accuracy"]:
        raise ValueError(
            f"{', '.join(by_accuracy)}: accuracy cannot choose where {words}: a model that always says the same would "
            f"have {shares[most]:.2%}. Use {instead}"
        )
