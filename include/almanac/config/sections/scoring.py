"""How predictions are made: `score` of a model's YAML."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration
from almanac.config.sections.features import names_of

if TYPE_CHECKING:
    from almanac.config.schema import Model

Missing = Literal["impute", "reject"]


class Scoring(Section):
    """How predictions are made."""

    window: Duration = Field(description="Predictions are written, and replaced, by windows of this size.")
    missing: dict[str, Missing] = Field(
        default_factory=dict,
        description="Feature -> impute: the graph inserts the value from the training rows; reject: no prediction."
        " Features that are not named: impute.",
    )


def check_scoring(model: "Model") -> None:
    """Refuse policies for features that the model does not have.

    Raises:
        ValueError: there is one.
    """
    known = names_of(model.features)
    if unknown := sorted(set(model.score.missing) - set(known)):
        raise ValueError(f"score.missing: unknown features; got {unknown}, expected some of {list(known)}")
