"""What computing costs, and what a model may cost: `prices` of `_installation.yaml`, `budget` of a model."""

from typing import Annotated

from pydantic import Field

from almanac.config.grammar.section import Section, Share

Price = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Prices(Section):
    """Prices of what the ledger counts. What is stored is priced by `backup.tiers`."""

    currency: Currency = Field(description="Three letters: EUR, USD.")
    cpu_hour: Price = Field(description="Of one hour of one busy CPU.")
    gib_hour: Price = Field(0.0, description="Of one GiB of memory for an hour: a task's peak, for as long as it runs.")
    watts_per_cpu: Price | None = Field(
        None, description="What one busy CPU draws. Energy is an estimate by this figure; unset: none is shown."
    )


class Budget(Section):
    """What the tasks of a model may cost in a calendar month (UTC), in the currency of `prices`."""

    monthly: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = Field(
        description="Above it no trigger may train; a person by hand overrules, and this is recorded."
    )
    warn: Share = Field(0.8, description="Share of it from which an alert is open.")
