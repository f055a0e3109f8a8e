"""What each fault did, as a table for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_HEAD = (
    "| fault | times | recovered in s, median (worst) | tasks tried again | failed for good | told | lost | doubled |"
)


@dataclass(frozen=True)
class Suffered:
    """One fault and what came of it.

    Attributes:
        recovered_s: from the fault to the end of all work, with whatever the fault itself lasted.
        retried: tasks that were tried again.
        failed: tasks that failed for good.
        told: messages that reached the operator.
        wrong: what else was not as it must be.
    """

    fault: str
    recovered_s: float
    retried: int = 0
    failed: int = 0
    told: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: tuple[str, ...] = ()


def table(rows: Sequence[Suffered]) -> str:
    """One line a kind of fault, as Markdown."""
    kinds = dict.fromkeys(row.fault for row in rows)
    lines = [_line(kind, [row for row in rows if row.fault == kind]) for kind in kinds]
    return "\n".join([_HEAD, "|---|" + "---:|" * 7, *lines, _line("**all**", rows)])


def _line(name: str, rows: Sequence[Suffered]) -> str:
    times = [row.recovered_s for row in rows]
    sums = [sum(getattr(row, what) for row in rows) for what in ("retried", "failed", "told", "lost", "doubled")]
    cells = [name, len(rows), f"{median(times):.0f} ({max(times):.0f})", *sums]
    return f"| {' | '.join(map(str, cells))} |"
