"""The section `label` of a model's YAML: what is to be predicted, and when it becomes known."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from almanac.config.grammar.metric import CLASS_METRICS, NUMBER_METRICS, Metric
from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Duration, Slug, format_duration
from almanac.config.sections.dataset import Column
from almanac.config.sections.features import ColumnFeature, Feature

if TYPE_CHECKING:
    from almanac.config.schema import Model

RARE = 0.1
"""Below this share of one label, a model that never says it is right nine times in ten."""


class Label(Section):
    """What is to be predicted, yes or no or a number. Row *t* carries what is true at *t + horizon*, joined on time."""

    name: Slug
    column: str
    equals: str | None = Field(
        None, description="The label is 1 where the column has this value, else 0; unset: it is the column's number."
    )
    horizon: Duration
    delay: Duration = Field(timedelta(0), description="How long after *t + horizon* it becomes known.")
    share: Share | None = Field(None, description="About how many rows have the label 1, where that is known.")

    @property
    def is_number(self) -> bool:
        """Whether a number is predicted, and not whether something comes true."""
        return self.equals is None

    @property
    def prediction_column(self) -> str:
        """The column of the predictions that holds what a version says."""
        return "prediction" if self.is_number else "probability"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The figures that are defined for it."""
        return NUMBER_METRICS if self.is_number else CLASS_METRICS

    @model_validator(mode="after")
    def _numbers_have_no_share(self) -> Self:
        if self.is_number and self.share is not None:
            raise ValueError("share is of labels that are 1; a number has none. Remove it, or give equals")
        return self

    def check_column(self, column: Column) -> None:
        """Refuse a column that the label cannot be read from.

        Raises:
            ValueError: it has no such value, or is no number.
        """
        if self.is_number and column.type not in ("float", "integer"):
            raise ValueError(
                f"label: without equals the label is the number in its column; {self.column} is a {column.type}. Give "
                "equals, or a column of type float or integer"
            )
        if column.values is not None and self.equals not in column.values:
            raise ValueError(f"label.equals is not among the column's values; got {self.equals!r}, {column.values}")

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


def check_rare(model: "Model", share: float) -> None:
    """Refuse accuracy where one label is rare: a constant prediction would win.

    Args:
        model: declares what candidates are chosen and compared by.
        share: of the label 1.

    Raises:
        ValueError: a candidate would be chosen, or held against others, by accuracy.
    """
    if RARE <= share <= 1 - RARE:
        return
    chosen = {
        "train.metric": model.train.metric,
        "gates.baselines.metric": model.gates.baselines.metric,
        "gates.champion.metric": model.gates.champion.metric,
    }
    if by_accuracy := [place for place, metric in chosen.items() if metric == "accuracy"]:
        raise ValueError(
            f"{', '.join(by_accuracy)}: accuracy cannot choose where {share:.2%} of the labels are 1: a model that "
            f"always says the same would have {max(share, 1 - share):.2%}. Use average_precision, f1 or "
            "balanced_accuracy"
        )
