"""The section `search` of a candidate: which of its parameters are looked for, how, and when to stop."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration

BATCH_S = 60.0  # a task of its own costs more than a second: trials share one for about so long
Scalar = bool | int | float | str | None


class Range(Section):
    """All numbers from `low` to `high`; whole ones when both ends are whole. `log`: small ones as often as large."""

    low: int | float = Field(description="The smallest value that is tried.")
    high: int | float = Field(description="The largest value that is tried.")
    log: bool = Field(False, description="Draw evenly over orders of magnitude.")

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low is not below high; got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range on a log scale begins above 0; got {self.low}")
        return self


class Stop(Section):
    """What ends a search before its trials are used up; whichever comes first. Trials in other tasks do not count."""

    reached: float | None = Field(None, description="Stop when train.metric is as good as this.")
    no_gain_in: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Stop after so many consecutive trials without improvement."
    )
    time: Duration | None = Field(None, description="No trial starts later than this after the first.")


class Search(Section):
    """Trials of a candidate with other parameters. The best one, by `train.metric` before the hold-out, competes.

    `grid` tries all combinations, `random` draws `trials` of them, `halving` draws as many, tries all on little history
    and the better third of each round on three times as much, `bayesian` draws ten and chooses each of the others by
    what the trials before it have shown (needs the extra `bayesian`).
    """

    kind: Literal["grid", "random", "halving", "bayesian"] = Field(
        description="Try every combination, some that are drawn, many on few rows and the best on more, or each "
        "by what the trials before it have shown."
    )
    space: dict[str, tuple[Scalar, ...] | Range] = Field(min_length=1, description="Parameter -> values, or a range.")
    trials: Annotated[int, Field(ge=2)] | None = Field(None, description="How many are drawn; a grid needs none.")
    stop: Stop = Stop()
    trial_cost: Duration | None = Field(None, description="Memory of a trial; unset: the first one is measured.")

    @property
    def waits(self) -> bool:
        """Whether what is tried depends on the trials before it: these cannot run beside each other."""
        return self.kind in ("halving", "bayesian")

    @property
    def may_be_long(self) -> bool:
        """Whether trials could need tasks of their own; never where they wait for each other."""
        if self.waits:
            return False
        lists = (len(values) for values in self.space.values() if not isinstance(values, Range))
        count = math.prod(lists) if self.trials is None else self.trials
        return self.trial_cost is None or count * self.trial_cost.total_seconds() > BATCH_S

    @model_validator(mode="after")
    def _kind_fits(self) -> Self:
        if self.kind == "grid":
            if self.trials is not None:
                raise ValueError(f"a grid tries all its combinations; got trials {self.trials}, expected none")
            if ranges := sorted(name for name, values in self.space.items() if isinstance(values, Range)):
                raise ValueError(f"a grid needs lists of values; got ranges for {ranges}")
        elif self.trials is None:
            raise ValueError(f"trials is missing; kind {self.kind} needs to know how many to draw")
        if empty := sorted(name for name, values in self.space.items() if not values):
            raise ValueError(f"no values to try; got none for {empty}")
        return self


class Trials(Section):
    """Where the trials of a search run when they take too long for one task."""

    parallel: Annotated[int, Field(ge=1)] = Field(2, description="At most so many at once.")
    pool: str | None = Field(None, description="An Airflow pool of their own; unset: that of the pipeline.")
