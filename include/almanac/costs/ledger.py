"""The ledger: one row for each try of a task, and sums by month that stay when old rows go (ADR 116)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from almanac.journal import totals
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind, TaskUsage
from almanac.journal.rows import records_of, row_of
from almanac.journal.tables import decisions, ledger, ledger_months
from almanac.journal.totals import Total

CPU_SECONDS, MEMORY_SECONDS = "task_cpu_seconds", "task_memory_gib_seconds"
GIB = 2**30
_MOST_TRIES = 2_000  # of a DAG, by which its usual duration is known
By = Literal["model", "pipeline", "version", "month"]


@dataclass(frozen=True)
class Used:
    """What tasks have used together.

    Attributes:
        name: of the group: a model, a pipeline, `model@version`, or a month such as `2026-11`; empty: of no model.
        tasks: tries of tasks.
        wall_s: how long they ran.
        cpu_s: of their process trees.
        memory_gib_s: peak memory in GiB, times the seconds for which a task ran.
    """

    name: str
    tasks: int
    wall_s: float
    cpu_s: float
    memory_gib_s: float


def month_of(time: datetime) -> str:
    """The month, in UTC: `2026-11`."""
    return time.astimezone(UTC).strftime("%Y-%m")


def record_usage(journal: Journal, used: TaskUsage) -> None:
    """Write one try of a task, and add it to its month and to the totals, in one transaction.

    Raises:
        TransientError: the journal is away.
    """
    memory = used.peak_bytes / GIB * used.wall_s
    month = {
        "month": month_of(used.ended_at),
        "model": used.model,
        "pipeline": used.pipeline,
        "tasks": 1,
        "wall_s": used.wall_s,
        "cpu_s": used.cpu_s,
        "memory_gib_s": memory,
    }
    with journal.transaction() as connection:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(insert(ledger).values(row_of(used)))
        added = dialect.insert(ledger_months).values(month)
        sums = {name: ledger_months.c[name] + added.excluded[name] for name in _SUMS}
        connection.execute(added.on_conflict_do_update(index_elements=["month", "model", "pipeline"], set_=sums))
        label = used.pipeline
        totals.add(
            connection,
            {Total(CPU_SECONDS, used.model, label): used.cpu_s, Total(MEMORY_SECONDS, used.model, label): memory},
        )


_SUMS = ("tasks", "wall_s", "cpu_s", "memory_gib_s")


class Ledger:
    """Reads the ledger.

    Raises:
        TransientError: on every method, when the journal is away.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def by_month(self, since: str = "", *, model: str | None = None) -> list[Used]:
        """The sums of months, from one month on, the oldest first; those of one model, if it is given."""
        columns = ledger_months.c
        query = _summed(columns.month).where(columns.month >= since).group_by(columns.month).order_by(columns.month)
        return self._used(query if model is None else query.where(columns.model == model))

    def of_month(self, month: str) -> dict[str, Used]:
        """The sums of one month by model; of the installation's own tasks under the empty name."""
        columns = ledger_months.c
        query = _summed(columns.model).where(columns.month == month).group_by(columns.model)
        return {one.name: one for one in self._used(query)}

    def by(self, by: Literal["model", "pipeline"], since: datetime) -> list[Used]:
        """What tasks that ended since a time have used, by model or by pipeline."""
        return self._used(_of_rows(ledger.c[by]).where(ledger.c.ended_at >= since).group_by(ledger.c[by]))

    def by_version(self, since: datetime) -> list[Used]:
        """What each version has cost so far: all tasks of the runs that registered or promoted it."""
        columns = ledger.c
        runs = (
            select(columns.dag_id, columns.run_id, func.max(columns.version).label("version"))
            .where(columns.version != "", columns.ended_at >= since)
            .group_by(columns.dag_id, columns.run_id)
            .subquery()
        )
        same = and_(columns.dag_id == runs.c.dag_id, columns.run_id == runs.c.run_id)
        name: ColumnElement[str] = columns.model + "@" + runs.c.version
        return self._used(_of_rows(name).join(runs, same).group_by(name))

    def refused_trainings(self, since: datetime) -> list[Used]:
        """What training runs have used whose candidate the gates have refused, by model."""
        columns = ledger.c
        refused = (
            select(decisions.c.dag_id, decisions.c.run_id)
            .where(decisions.c.kind == DecisionKind.GATES, decisions.c.accepted.is_(False))
            .where(decisions.c.decided_at >= since)
            .distinct()
            .subquery()
        )
        same = and_(columns.dag_id == refused.c.dag_id, columns.run_id == refused.c.run_id)
        query = _of_rows(columns.model).join(refused, same).where(columns.ended_at >= since)
        return self._used(query.group_by(columns.model))

    def rows(self, since: datetime) -> Iterator[TaskUsage]:
        """Each try of a task that ended since a time, the oldest first."""
        query = select(ledger).where(ledger.c.ended_at >= since).order_by(ledger.c.ended_at, ledger.c.id)
        with self._journal.transaction() as connection:
            yield from records_of(TaskUsage, connection.execute(query).mappings())

    def durations(self, dag_id: str, since: datetime) -> dict[str, float]:
        """How many seconds each run of a DAG took that had something to do, by its id, the newest first.

        It had nothing to do when the last of its tasks to end was skipped; one whose last task failed has not ended.
        """
        columns = ledger.c
        query = select(columns.run_id, columns.state, columns.ended_at, columns.wall_s)
        query = query.where(columns.dag_id == dag_id, columns.ended_at >= since).order_by(columns.ended_at.desc())
        last: dict[str, tuple[str, datetime]] = {}
        begun: dict[str, datetime] = {}
        with self._journal.transaction() as connection:
            for run_id, state, ended_at, wall_s in connection.execute(query.limit(_MOST_TRIES)):
                last.setdefault(run_id, (state, ended_at))
                start = ended_at - timedelta(seconds=wall_s)
                begun[run_id] = min(start, begun.get(run_id, start))
        return {
            run_id: (ended_at - begun[run_id]).total_seconds()
            for run_id, (state, ended_at) in last.items()
            if state == "success"
        }

    def oldest(self) -> datetime | None:
        """When the oldest task ended whose row is kept; None: there is none."""
        query = select(ledger.c.ended_at).order_by(ledger.c.ended_at).limit(1)
        with self._journal.transaction() as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def _used(self, query: Select[Any]) -> list[Used]:
        with self._journal.transaction() as connection:
            return [
                Used(str(name), int(tasks), float(wall), float(cpu), float(memory))
                for name, tasks, wall, cpu, memory in connection.execute(query)
            ]


def _summed(name: ColumnElement[str]) -> Select[Any]:
    query: Any = select(name, *(func.sum(ledger_months.c[one]) for one in _SUMS))
    found: Select[Any] = query
    return found


def _of_rows(name: ColumnElement[str]) -> Select[Any]:
    columns = ledger.c
    memory = func.sum(columns.peak_bytes * columns.wall_s / GIB)
    query: Any = select(name, func.count(), func.sum(columns.wall_s), func.sum(columns.cpu_s), memory)
    found: Select[Any] = query.select_from(ledger)
    return found
