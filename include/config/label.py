"""The section `label` of a model's YAML: what is to be foretold, and when it becomes known."""

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from include.config.section import Section, Share
from include.config.types import Duration, Slug

if TYPE_CHECKING:
    from include.config.schema import Model

RARE = 0.1
"""Below this share of one label, a model that never says it is right nine times in ten."""


class Label(Section):
    """What is to be foretold. Row *t* carries what is true at *t + horizon*, joined on time."""

    name: Slug
    column: str
    equals: str = Field(description="The label is 1 where the column has this value, else 0.")
    horizon: Duration
    delay: Duration = Field(timedelta(0), description="So long after *t + horizon* it becomes known.")
    share: Share | None = Field(None, description="About how many rows have the label 1, where that is known.")

    @property
    def known_after(self) -> timedelta:
        """How long after its row a label is known."""
        return self.horizon + self.delay


def check_rare(model: "Model", share: float) -> None:
    """Refuse accuracy where one label is rare: whoever never says it would win.

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
