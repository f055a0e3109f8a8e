"""`forecast.candidates.global`: one fit over all grains."""

from typing import Annotated, Literal

from pydantic import Field

from almanac.config.grammar.section import Section, Share


class GlobalCandidate(Section):
    """Boosted trees over the past steps of all grains, scaled by each grain's level; all steps ahead directly."""

    estimator: Literal["lightgbm"] = Field("lightgbm", description="What is fitted.")
    rounds: Annotated[int, Field(ge=1, le=5_000)] = Field(120, description="Trees.")
    leaves: Annotated[int, Field(ge=2, le=1_000)] = Field(31, description="Of each tree, at most.")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(0.08, description="How much each tree corrects.")
    windows: Annotated[int, Field(ge=100, le=5_000_000)] = Field(
        100_000, description="So many moments of the past, evenly of all grains, are trained on; more need more memory."
    )
    refit_share: Share = Field(
        0.05,
        description="While not more than this share of the grains has changed since a fit of the same period, that fit"
        " is used, and only the changed grains are computed again; 0: each change fits, and computes, all of them.",
    )
