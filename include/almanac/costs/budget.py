"""What a model has cost in this month, against what it may."""

from dataclasses import dataclass
from datetime import datetime

from almanac.config.schema import Model
from almanac.config.sections.costs import Budget, Prices
from almanac.costs.amounts import amount_of
from almanac.costs.ledger import Ledger, month_of
from almanac.journal.journal import Journal


@dataclass(frozen=True)
class Spending:
    """A month of a model with a budget.

    Attributes:
        month: `2026-11`, in UTC.
        amount: what its tasks have cost so far; None: unknown, because no prices are declared.
        currency: of the amount; empty: no prices.
        budget: declared.
    """

    month: str
    amount: float | None
    currency: str
    budget: Budget

    @property
    def is_over(self) -> bool:
        """Nothing is left of the budget; an unknown amount counts as that, so that a limit is never silent."""
        return self.amount is None or self.amount >= self.budget.monthly

    @property
    def is_near(self) -> bool:
        """The share is reached from which people are told."""
        return self.amount is None or self.amount >= self.budget.warn * self.budget.monthly

    def __str__(self) -> str:
        if self.amount is None:
            return (
                f"a budget of {self.budget.monthly:g} a month is declared (budget.monthly), and no prices: declare"
                " `prices` in _installation.yaml"
            )
        share = self.amount / self.budget.monthly
        return (
            f"{self.amount:.2f} of {self.budget.monthly:.2f} {self.currency} are spent in {self.month}, {share:.0%}"
            " (budget.monthly)"
        )


def spending_of(model: Model, prices: Prices | None, journal: Journal, now: datetime) -> Spending | None:
    """What a model has cost in the month of `now`; None: it has no budget. Reads the sums of one month alone.

    Raises:
        TransientError: the journal is away.
    """
    if model.budget is None:
        return None
    month = month_of(now)
    if prices is None:
        return Spending(month, None, "", model.budget)
    used = Ledger(journal).of_month(month).get(model.name)
    amount = amount_of(used.cpu_s, used.memory_gib_s, prices) if used else 0.0
    return Spending(month, amount, prices.currency, model.budget)
