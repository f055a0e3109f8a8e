"""Old rows of the journal that are no record of a decision and that nothing reads any more."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, delete, func, select, tuple_

from almanac.cleanup.plan import ExpiryPlan, Item
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, DecisionKind
from almanac.journal.tables import alerts, arrivals, batches, conditions, decisions, drills, ledger
from almanac.storage.listing import list_files

_AT_ONCE = 300  # keys of one statement: SQLite takes 999 values
_HELD_BACK = (DecisionKind.TRAINING, DecisionKind.RETRAIN_REQUEST)  # refused: nothing happened
_SHORT = 12  # characters of a batch id in the name of a kept file

Keys = Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class _Rule:
    """Rows of a table that may go: `old` says which, `stays` which of these are needed all the same."""

    name: str
    table: Table
    time: Column[Any]
    old: ColumnElement[bool]
    stays: Callable[[Mapping[str, Any]], bool] = lambda row: False


class JournalRows:
    """Rows that are older than declared and that nobody reads.

    Delivered alerts, closed alarms, tries of tasks in the ledger (the sums of their months stay),
    drills but for the newest of their kind; trainings and retrain requests that were
    held back, but for the newest; notes of cleanups; files of the landing area that are no longer there; batches that
    were empty, or brought nothing and are known to the dataset's log, or were rejected and are no longer kept. Every
    other row stays for ever: gates, approvals, promotions, rollbacks, readmissions, restores, published batches,
    windows, snapshots.

    Args:
        home: where landing areas, datasets and quarantines are.
        models: all that are declared; of others nothing goes.
        journal: the rows.
        age: declared.
        now: the time.

    Raises:
        TransientError: on every method, when the journal or a store is unreachable.
    """

    kind, database = "journal", "journal"

    def __init__(self, home: Home, models: Sequence[Model], journal: Journal, age: timedelta, now: datetime) -> None:
        self._home, self._models, self._journal, self._before = home, models, journal, now - age

    def plan(self) -> ExpiryPlan:
        """How many rows of each sort would go."""
        items = [
            Item(self.kind, f"{len(keys)} {rule.name}", 0, newest, (), (rule.table.name,), len(keys))
            for rule, keys, newest in self._found()
        ]
        return ExpiryPlan(tuple(items), {})

    def delete(self, plan: ExpiryPlan) -> None:
        """Delete them, as they are now: a row that was written again meanwhile is another one, and stays."""
        for rule, keys, _ in self._found():
            key = tuple_(*rule.table.primary_key.columns)
            for start in range(0, len(keys), _AT_ONCE):
                chosen = key.in_(keys[start : start + _AT_ONCE]) & rule.old
                with self._journal.transaction() as connection:
                    connection.execute(delete(rule.table).where(chosen))

    def _found(self) -> Iterator[tuple[_Rule, Keys, datetime]]:
        for rule in self._rules():
            with self._journal.transaction() as connection:
                rows = connection.execute(select(rule.table).where(rule.old)).mappings().all()
            going = [row for row in rows if not rule.stays(row)]
            if going:
                names = [column.name for column in rule.table.primary_key.columns]
                keys = [tuple(row[name] for name in names) for row in going]
                yield rule, keys, max(row[rule.time.name] for row in going)

    def _rules(self) -> Iterator[_Rule]:
        before, held_back = self._before, decisions.c.kind.in_(_HELD_BACK) & decisions.c.accepted.is_(False)
        yield _Rule(
            "delivered alerts", alerts, alerts.c.raised_at, (alerts.c.raised_at < before) & alerts.c.delivered.is_(True)
        )
        yield _Rule("closed alarms", conditions, conditions.c.closed_at, conditions.c.closed_at < before)
        newest = self._newest(decisions, held_back, decisions.c.model, decisions.c.kind)
        yield _Rule(
            "trainings and retrain requests that were refused",
            decisions,
            decisions.c.decided_at,
            held_back & (decisions.c.decided_at < before),
            lambda row: row["id"] in newest,
        )
        notes = (decisions.c.kind == DecisionKind.EXPIRY) & (decisions.c.decided_at < before)
        yield _Rule("records of earlier cleanups", decisions, decisions.c.decided_at, notes)
        proven = self._newest(
            drills, None, *(drills.c[name] for name in ("place", "subject", "passed", "meant_to_fail"))
        )
        old_drills = drills.c.drilled_at < before
        yield _Rule("drills", drills, drills.c.drilled_at, old_drills, lambda row: row["id"] in proven)
        yield _Rule("tries of tasks in the ledger", ledger, ledger.c.ended_at, ledger.c.ended_at < before)
        for model in self._models:
            yield from self._of_model(model)

    def _newest(self, table: Table, chosen: ColumnElement[bool] | None, *by: Column[Any]) -> frozenset[int]:
        query = select(func.max(table.c.id)).group_by(*by)
        with self._journal.transaction() as connection:
            return frozenset(connection.execute(query if chosen is None else query.where(chosen)).scalars())

    def _of_model(self, model: Model) -> Iterator[_Rule]:
        name, before = model.name, self._before
        there = {file.uri for file in list_files(self._home.landing_of(name), model.source.patterns)}
        yield _Rule(
            f"files of {name} that have left the landing area",
            arrivals,
            arrivals.c.modified_at,
            (arrivals.c.model == name) & (arrivals.c.modified_at < before),
            lambda row: row["uri"] in there,
        )
        old = (batches.c.model == name) & (batches.c.recorded_at < before)
        snapshot, kept = DatasetTable.of(self._home, model).snapshot(), self._kept(model)
        stays: dict[BatchState, Callable[[Mapping[str, Any]], bool]] = {
            BatchState.EMPTY: lambda row: False,
            BatchState.UNCHANGED: lambda row: not snapshot.holds(row["batch_id"]),
            BatchState.REJECTED: lambda row: row["batch_id"][:_SHORT] in kept,
        }
        for state, needed in stays.items():
            whose = f"{state} batches of {name}"
            yield _Rule(whose, batches, batches.c.recorded_at, old & (batches.c.state == state), needed)

    def _kept(self, model: Model) -> Collection[str]:
        return {file.batch for file in Quarantine(self._home, model).kept_files()}
