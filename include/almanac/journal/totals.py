"""Running totals beside the journal's rows: what has been counted stays counted when old rows are deleted.

They are written in the transaction of the row that they count, so a reader of totals never looks at history.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from almanac.journal.records import BatchRecord, Decision, DecisionKind
from almanac.journal.tables import totals

BATCHES, QUARANTINED, PUBLISHED = "batches", "rows_quarantined", "rows_published"
DECISIONS, REFUSED_GATES = "decisions", "gate_refusals"
ACCEPTED, REFUSED = "accepted", "refused"
OTHER = "other"
# `segments[winter]: ...`; a reason that names no gate is counted with all others of its sort.
_GATE = re.compile(r"^([a-z_]{1,40})(?:\[[^\]]*\])?: ")


@dataclass(frozen=True)
class Total:
    """What is counted: of which model, by which label of a bounded set."""

    name: str
    model: str
    label: str = ""


def of_batch(batch: BatchRecord, before: Mapping[str, Any] | None) -> Counter[Total]:
    """What a batch adds, given the row that it replaces: a batch that is recorded again counts once.

    Args:
        batch: as it is written now.
        before: state and rows of the row that is replaced; None: there is none.
    """
    found: Counter[Total] = Counter()
    if before is None or before["state"] != batch.state:
        found[Total(BATCHES, batch.model, batch.state)] += 1
    for name in (QUARANTINED, PUBLISHED):
        found[Total(name, batch.model)] += max(getattr(batch, name) - (before[name] if before else 0), 0)
    return found


def of_decision(decision: Decision) -> Counter[Total]:
    """What a decision adds: itself, and the gates that refused."""
    verdict = ACCEPTED if decision.accepted else REFUSED
    found = Counter([Total(DECISIONS, decision.model, f"{decision.kind}/{verdict}")])
    if decision.kind is DecisionKind.GATES and not decision.accepted:
        found.update(Total(REFUSED_GATES, decision.model, gate) for gate in gates_of(decision.reasons))
    return found


def gates_of(reasons: Iterable[str]) -> set[str]:
    """The gates that reasons name, without what stands in brackets: names of segments and columns have no end."""
    return {match[1] if (match := _GATE.match(reason)) else OTHER for reason in reasons}


def add(connection: Any, counts: Mapping[Total, float]) -> None:
    """Add to the totals, in the caller's transaction."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    # in one order everywhere: two transactions must not wait for each other
    for total, amount in sorted(counts.items(), key=lambda item: (item[0].name, item[0].model, item[0].label)):
        if amount:
            one = dialect.insert(totals).values(
                name=total.name, model=total.model, label=total.label[:100], amount=float(amount)
            )
            summed = {"amount": totals.c.amount + one.excluded.amount}
            connection.execute(one.on_conflict_do_update(index_elements=["name", "model", "label"], set_=summed))


def read(connection: Any) -> Iterator[tuple[Total, float]]:
    """Every total; there are as many as models and labels, whatever the number of rows."""
    for row in connection.execute(select(totals).order_by(totals.c.name, totals.c.model, totals.c.label)).mappings():
        yield Total(row["name"], row["model"], row["label"]), float(row["amount"])
