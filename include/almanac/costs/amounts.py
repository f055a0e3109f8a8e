"""What quantities of the ledger cost at the declared prices."""

from collections.abc import Iterable
from dataclasses import dataclass

from almanac.config.sections.costs import Prices
from almanac.costs.ledger import Used

HOUR_S = 3600.0


@dataclass(frozen=True)
class Cost:
    """A group of the ledger with its amount.

    Attributes:
        name: of the group.
        tasks: tries of tasks.
        wall_hours: how long they ran.
        cpu_hours: of their process trees.
        memory_gib_hours: peak memory for as long as each ran.
        amount: in the currency of the prices; None: none are declared.
        energy_kwh: an estimate by the declared watts; None: none are declared.
    """

    name: str
    tasks: int
    wall_hours: float
    cpu_hours: float
    memory_gib_hours: float
    amount: float | None
    energy_kwh: float | None


def amount_of(cpu_s: float, memory_gib_s: float, prices: Prices) -> float:
    """What CPU seconds and GiB seconds cost."""
    return (cpu_s * prices.cpu_hour + memory_gib_s * prices.gib_hour) / HOUR_S


def cost_of(used: Used, prices: Prices | None) -> Cost:
    """The same quantities in hours, with their amount."""
    watts = None if prices is None else prices.watts_per_cpu
    return Cost(
        name=used.name,
        tasks=used.tasks,
        wall_hours=used.wall_s / HOUR_S,
        cpu_hours=used.cpu_s / HOUR_S,
        memory_gib_hours=used.memory_gib_s / HOUR_S,
        amount=None if prices is None else amount_of(used.cpu_s, used.memory_gib_s, prices),
        energy_kwh=None if watts is None else used.cpu_s / HOUR_S * watts / 1000,
    )


def dearest_first(found: Iterable[Used], prices: Prices | None) -> list[Cost]:
    """With prices by amount, otherwise by CPU hours."""
    costs = [cost_of(one, prices) for one in found]
    return sorted(costs, key=lambda one: (-(one.amount or 0.0), -one.cpu_hours, one.name))
