"""What a model's YAML says about gates; `docs/gates.md` explains each of them."""

from typing import Annotated, Literal

from pydantic import Field

from include.config.metric import Metric
from include.config.section import Section, Share

Baseline = Literal["majority", "persistence", "stump"]
Segment = Literal["season", "month", "hour_of_day"]


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


class VariationGate(Section):
    """How differently from the champion a candidate may decide before a person is asked."""

    ask_above: Share = Field(description="Share of the hold-out's rows that get another label than from the champion.")


class Gates(Section):
    """What a candidate must pass. All of them, in this order, always."""

    absolute: dict[Metric, float] = Field(min_length=1, description="Lower limits (log_loss: upper limit).")
    baselines: BaselineGate
    champion: ChampionGate
    segments: SegmentGate
    variation: VariationGate
    parity: ParityGate
