"""The cleanup of an installation: what it writes about itself, then the outputs of each model, each with its own plan.

An error in one part never stops the others. Rows of a database are deleted only when a snapshot holds them unchanged.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from almanac.backup.installation import BackupRepositories
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.tasks.run_backup import run_backup
from almanac.cleanup.airflow_rows import AirflowRows
from almanac.cleanup.expire import Expiry
from almanac.cleanup.journal_rows import JournalRows
from almanac.cleanup.model_runs import ModelRuns
from almanac.cleanup.plan import ExpiryPlan, Item
from almanac.cleanup.sizes import Size, measure, save_sizes
from almanac.cleanup.task_logs import TaskLogs
from almanac.config.files.loader import refuse_to_delete
from almanac.config.grammar.types import format_duration
from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.errors import AlmanacError, ConfigError, IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.services.environment import airflow_home

if TYPE_CHECKING:
    from almanac.registry.store import Registry

log = logging.getLogger(__name__)


class CleanupPart(Protocol):
    """One kind of what an installation writes about itself, with its declared age.

    Attributes:
        kind: as in `cleanup` of `_installation.yaml`.
        database: whose rows it deletes, by the name of its backup; empty: of none.
    """

    kind: str
    database: str

    def plan(self) -> ExpiryPlan:
        """What would be deleted; nothing is changed."""

    def delete(self, plan: ExpiryPlan) -> None:
        """Delete it."""


@dataclass(frozen=True)
class PartDone:
    """One part: its plan, and why it could not be carried out, or even be made; empty: it could."""

    kind: str
    items: tuple[Item, ...] = ()
    fault: str = ""

    @property
    def going(self) -> tuple[Item, ...]:
        """What was deleted, or would be."""
        return tuple(item for item in self.items if not item.needs)

    def to_json(self) -> dict[str, Any]:
        """For XCom and the command line: counts, and the first of what goes and of what stays."""
        plan = ExpiryPlan(self.items, {}).to_json()
        del plan["shares"]
        return {"kind": self.kind, "rows_or_files": sum(one.count for one in self.going), "fault": self.fault, **plan}


@dataclass(frozen=True)
class CleanupReport:
    """What a cleanup has done, or would do, and how large everything is afterwards."""

    parts: tuple[PartDone, ...]
    sizes: tuple[Size, ...]

    @property
    def faults(self) -> list[str]:
        """What could not be cleaned, and why."""
        return [f"{part.kind}: {part.fault}" for part in self.parts if part.fault]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {"parts": [part.to_json() for part in self.parts], "sizes": [size.to_json() for size in self.sizes]}


class CleanupRun:
    """What one installation has, and what needs it.

    Args:
        home: where everything is.
        installation: declares the ages.
        models: all that are declared.
        journal: knows what was decided and, afterwards, what went.
        registry: opens what knows model versions and their runs; when it is away, only these stay.
        repositories: the backups.
        given_key: of the backups, from a connection.
        outputs: those of the models, too; a schedule leaves them to the DAGs `expire_outputs_<model>`.
        now: the time.
    """

    def __init__(
        self,
        home: Home,
        installation: Installation,
        models: Sequence[Model],
        journal: Journal,
        registry: Callable[[], "Registry"],
        repositories: BackupRepositories,
        *,
        given_key: str = "",
        outputs: bool = True,
        now: datetime,
    ) -> None:
        self.home, self.installation, self.models = home, installation, models
        self.journal, self.registry, self.repositories = journal, registry, repositories
        self.given_key, self.outputs, self.now = given_key, outputs, now

    def plan(self) -> CleanupReport:
        """What would be deleted; nothing is changed but the figures of the page.

        Raises:
            TransientError: the journal is unreachable.
        """
        done = [self._tried(kind, partial(_planned, make)) for kind, make in self._parts().items()]
        done += [self._tried(f"outputs of {one.model.name}", one.plan) for one in self._outputs()]
        return CleanupReport(tuple(done), self._measured(cleaned=False))

    def execute(self, *, run: RunRef, approved: bool = False) -> CleanupReport:
        """Delete what `plan` says, in its current state; when it is killed, the next cleanup continues.

        Args:
            run: the run that asks.
            approved: a person has looked at the plan.

        Raises:
            TransientError: the journal is unreachable.
        """
        done = [self._tried(kind, partial(self._executed, make, run, approved)) for kind, make in self._parts().items()]
        done += [
            self._tried(f"outputs of {one.model.name}", partial(one.execute, run=run, approved=approved))
            for one in self._outputs()
        ]
        return CleanupReport(tuple(done), self._measured(cleaned=True, run=run))

    def _parts(self) -> dict[str, Callable[[], CleanupPart]]:
        """How to make each part that has an age."""
        ages, home, now = self.installation.cleanup, self.home, self.now
        names = [model.name for model in self.models]
        logs = airflow_home(home) / "logs"
        parts: dict[str, Callable[[timedelta], CleanupPart]] = {
            "airflow_history": self._history,
            "task_logs": lambda age: TaskLogs(logs, age, now),
            "journal": lambda age: JournalRows(home, self.models, self.journal, age, now),
            "model_runs": lambda age: ModelRuns(home, names, self.registry(), self.repositories.first, age, now),
        }
        return {kind: partial(make, age) for kind, make in parts.items() if (age := getattr(ages, kind)) is not None}

    def _outputs(self) -> list[Expiry]:
        models = self.models if self.outputs else ()
        return [Expiry(model, self.home, self.journal, self.repositories.first, now=self.now) for model in models]

    def _tried(self, kind: str, make: Callable[[], ExpiryPlan]) -> PartDone:
        try:
            return PartDone(kind, make().items)
        except AlmanacError as error:
            log.warning("%s: %s", kind, error)
            return PartDone(kind, fault=str(error))

    def _executed(self, make: Callable[[], CleanupPart], run: RunRef, approved: bool) -> ExpiryPlan:
        refuse_to_delete(self.home.models)
        part = make()
        plan = part.plan()
        if not plan.going:
            return plan
        if not approved:
            share = self.installation.cleanup.max_deleted_share
            plan.check(part.kind, share, look="almanac cleanup --dry-run", do="almanac cleanup --approve")
        if part.database:
            self._secure(part.database, max(item.at for item in plan.going), run)
        part.delete(plan)
        counts = {part.kind: float(sum(item.count for item in plan.going))}
        reasons = tuple(item.name for item in plan.going[:20])
        self.journal.record_decision(Decision("", DecisionKind.EXPIRY, True, reasons, self.now, run, "cleanup", counts))
        return plan

    def _history(self, age: timedelta) -> AirflowRows:
        """Airflow's rows, unless a monitor looks back further than they are kept.

        Raises:
            ConfigError: one does.
        """
        for model in self.models:
            window = model.monitor.running.window
            if window > age:
                raise ConfigError(
                    f"_installation.yaml: cleanup.airflow_history: too short; got {format_duration(age)}, expected at"
                    f" least {format_duration(window)}: monitor.running.window of {model.name} looks back so far"
                )
        return AirflowRows(self.home, age, self.now)

    def _secure(self, database: str, changed_at: datetime, run: RunRef) -> None:
        """Make sure that a snapshot holds what is about to be deleted: it was taken after the last change.

        Raises:
            IntegrityError: there is no such snapshot, even after one was taken.
            ConfigError, TransientError: none can be taken.
        """
        subject, catalogue = f"database/{database}", Catalogue(self.repositories.first)
        newest = catalogue.newest(subject)
        if newest is None or newest.created <= changed_at:
            run_backup(self.home, [subject], run=run, given_key=self.given_key, reason="before a cleanup")
            newest = catalogue.newest(subject)
        if newest is None or newest.created <= changed_at:
            raise IntegrityError(
                f"{subject}: no snapshot holds what would be deleted; got {newest or 'none'}, expected one of"
                f" after {changed_at.isoformat(timespec='seconds')}. Nothing of it was deleted. Take one:"
                f" almanac backup database/{database}"
            )
        catalogue.read(newest)  # a manifest that is damaged proves nothing

    def _measured(self, *, cleaned: bool, run: RunRef | None = None) -> tuple[Size, ...]:
        sizes = measure(self.home, self.models, self.installation, self.journal)
        save_sizes(self.journal, sizes, self.now, cleaned=cleaned, run=run or RunRef("almanac cleanup", "plan"))
        return sizes


def _planned(make: Callable[[], CleanupPart]) -> ExpiryPlan:
    return make().plan()


def raise_reported_problems(report: dict[str, Any]) -> None:
    """Fail, and so alert, when a part could not be cleaned; the others were.

    Raises:
        IntegrityError: there is one.
    """
    problems = [f"{part['kind']}: {part['fault']}" for part in report["parts"] if part["fault"]]
    if problems:
        raise IntegrityError("not everything was cleaned:\n" + "\n".join(problems))


def in_json(report: CleanupReport) -> str:
    """For the command line."""
    return json.dumps(report.to_json(), indent=1, default=str)
