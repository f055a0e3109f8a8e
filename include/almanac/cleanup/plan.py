"""What would expire, and why the rest stays: the same for files and for rows of tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from almanac.errors import ApprovalError


@dataclass(frozen=True)
class Item:
    """Something that is old enough to go.

    Attributes:
        kind: as in `expire` of the YAML.
        name: for people.
        size_bytes: what is freed.
        at: when it was made.
        needs: why it stays all the same; none: it goes.
        where: files to remove, or the predicate of the rows.
        count: of how many files or rows it consists.
    """

    kind: str
    name: str
    size_bytes: int
    at: datetime
    needs: tuple[str, ...]
    where: tuple[str, ...] = field(repr=False)
    count: int = 1


@dataclass(frozen=True)
class ExpiryPlan:
    """All items that are old enough, and the bytes of each kind, old or not."""

    items: tuple[Item, ...]
    totals: Mapping[str, int]

    @property
    def going(self) -> tuple[Item, ...]:
        """What would be deleted."""
        return tuple(item for item in self.items if not item.needs)

    def share(self, kind: str) -> float:
        """Of a kind's bytes, what would be deleted."""
        total = self.totals.get(kind, 0)
        return sum(item.size_bytes for item in self.going if item.kind == kind) / total if total else 0.0

    def check(self, name: str, max_share: float, *, look: str, do: str) -> None:
        """Refuse to delete too much at once.

        Args:
            name: the model, or the kind.
            max_share: of a kind's bytes.
            look: the command that shows the plan.
            do: the command that carries it out all the same.

        Raises:
            ApprovalError: it would.
        """
        shares = {kind: self.share(kind) for kind in self.totals}
        over = [f"{kind} {share:.0%}" for kind, share in shares.items() if share > max_share]
        if over:
            raise ApprovalError(
                f"{name}: too much would expire at once: {', '.join(over)}; expected at most {max_share:.0%} of a"
                f" kind. Nothing was deleted. See `{look}`; if it is intended: {do}"
            )

    def to_json(self, limit: int = 100) -> dict[str, Any]:
        """For XCom: counts, and the first of what goes and of what stays, with the reasons."""
        staying = [item for item in self.items if item.needs]
        return {
            "goes": [f"{item.kind}: {item.name}" for item in self.going[:limit]],
            "stays": [f"{item.kind}: {item.name}: {'; '.join(item.needs)}" for item in staying[:limit]],
            "count": len(self.going),
            "bytes": sum(item.size_bytes for item in self.going),
            "shares": {kind: round(self.share(kind), 4) for kind in self.totals},
        }


def joined(plans: Sequence[ExpiryPlan]) -> ExpiryPlan:
    """One plan of several; a kind that stands in two of them has the bytes of both."""
    totals: dict[str, int] = {}
    for plan in plans:
        for kind, total in plan.totals.items():
            totals[kind] = totals.get(kind, 0) + total
    return ExpiryPlan(tuple(item for plan in plans for item in plan.items), totals)
