"""How a version takes over requests step by step: `rollout` of a model's YAML."""

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from almanac.config.grammar.label_kind import NUMBER
from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration

if TYPE_CHECKING:
    from almanac.config.schema import Model

OnDoubt = Literal["hold", "ask", "fall_back"]
MOVES = ("pause", "resume", "advance", "set-back", "abort")
"""What a person may ask of an open rollout."""
OutcomeMetric = Literal["brier", "error"]


def _share(value: object) -> object:
    """`5%` is .05."""
    text = str(value).strip()
    if not text.endswith("%"):
        return value
    try:
        return float(text[:-1]) / 100
    except ValueError:
        raise ValueError(f"not a share; got {value!r}, expected such as 5% or 0.05") from None


Part = Annotated[float, BeforeValidator(_share), Field(gt=0.0, le=1.0)]


class Hold(Section):
    """How long each step lasts, at least: both must be over."""

    time: Duration = Field(timedelta(hours=6), description="Since the step began.")
    requests: Annotated[int, Field(ge=100)] = Field(
        2000, description="Rows that the challenger has answered in this step; before step 1, that it has mirrored."
    )


class OutcomeGuard(Section):
    """How much worse the challenger's predictions may be than the champion's, by the outcomes that callers send."""

    metric: OutcomeMetric = Field(
        description="brier: the mean squared error of the probability; error: the share of wrong labels."
    )
    max_loss: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        description="By how much the challenger's mean may be above the champion's."
    )


class RolloutGuard(Section):
    """What makes the challenger fall back: each is tested one-sided, at every look, within one step."""

    errors: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        0.02, description="Share of rows that it fails to answer (the champion then does); unset by null: any share."
    )
    p99_ms: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Milliseconds that 99 of 100 rows may take; unset: any."
    )
    disagreement: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        None, description="Share of rows for which it predicts another label than the champion; unset: any."
    )
    outcome: OutcomeGuard | None = Field(None, description="By outcomes that callers send back; unset: none.")
    min_requests: Annotated[int, Field(ge=30)] = Field(
        100, description="Rows of the challenger in a step below which no guard decides."
    )


class Rollout(Section):
    """A version that passed its gates, and an approval where one is needed, takes over requests step by step."""

    steps: tuple[Part, ...] = Field(
        (0.05, 0.2, 0.5, 1.0),
        min_length=1,
        max_length=20,
        description="Shares of units whose requests the challenger answers; rising, the last one 100%.",
    )
    hold: Hold = Hold()
    unit: str = Field(
        min_length=1,
        description="A column of the dataset: all requests of one value are answered by the same version. Rows without"
        " a value are answered by the champion.",
    )
    guard: RolloutGuard = RolloutGuard()
    on_doubt: OnDoubt = Field(
        "hold",
        description="When a step is over and a guard cannot say yet that all is well: hold: stay; ask: pause, and tell"
        " a person; fall_back: give it up.",
    )

    @field_validator("steps")
    @classmethod
    def _rise_to_all(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(steps)) or steps[-1] != 1.0:
            got = ", ".join(f"{step:.4g}" for step in steps)
            raise ValueError(f"shares must rise, and end with 100%; got {got}")
        return steps

    @model_validator(mode="after")
    def _is_guarded(self) -> "Rollout":
        guard = self.guard
        if guard.errors is None and guard.p99_ms is None and guard.disagreement is None and guard.outcome is None:
            raise ValueError("guard: nothing is guarded; declare at least one of errors, p99_ms, disagreement, outcome")
        if self.hold.requests < guard.min_requests:
            raise ValueError(
                f"hold.requests must be at least guard.min_requests; got {self.hold.requests} and {guard.min_requests}"
            )
        return self


def check_rollout(model: "Model") -> None:
    """Refuse a rollout that could not work.

    Raises:
        ValueError: says why.
    """
    rollout = model.rollout
    if rollout is None:
        return
    if model.serve is None:
        raise ValueError("rollout: shares of requests need a model that answers requests; declare `serve`")
    if rollout.unit not in model.dataset.delivered:
        raise ValueError(
            f"rollout.unit must name a column of the dataset; got {rollout.unit!r}, declared"
            f" {list(model.dataset.delivered)}"
        )
    numeric = model.label.kind is NUMBER
    if numeric and (rollout.guard.disagreement is not None or rollout.guard.outcome is not None):
        raise ValueError("rollout.guard: disagreement and outcome compare labels, and this label is a number")
    outcome = rollout.guard.outcome
    if outcome is not None and outcome.metric == "brier" and model.label.classes:
        raise ValueError("rollout.guard.outcome.metric: brier is for yes and no; of several classes use error")
