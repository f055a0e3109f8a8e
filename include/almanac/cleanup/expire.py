"""Plans what expires of a model, then deletes it: reasons for what stays, a cap on what goes at once."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from almanac.alerts.alert_log import AlertLog
from almanac.backup.store.repository import BackupRepository
from almanac.cleanup.backed_up import BackedUp, backed_up
from almanac.cleanup.files import landing_needs, plan_checkpoints, plan_files, report_needs
from almanac.cleanup.plan import ExpiryPlan, joined
from almanac.cleanup.tables import KEEP_FILES, delete_rows, plan_predictions, plan_quarantined_rows, plan_upkeep
from almanac.config.files.loader import refuse_to_delete
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.retention.expiry import EXPIRING
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.table.commit_record import committed_batches
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.table_guard import TableGuard
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.storage.files import local_path, remove
from almanac.storage.objects import is_remote

_SHORT = 12
_GUARDED = {"quarantine_rows": "quarantine", "predictions": "predictions", "shadow": "shadow"}


class Expiry:
    """What one model has, and what needs it.

    Args:
        model: declares the ages.
        home: where everything is.
        journal: knows batches, conditions and, afterwards, what went.
        repository: the backups.
        now: the time.

    Raises:
        IntegrityError: on planning, when a manifest is damaged.
        TransientError: on every method, when a store is unreachable.
    """

    def __init__(
        self, model: Model, home: Home, journal: Journal, repository: BackupRepository, *, now: datetime
    ) -> None:
        self.model, self.home, self.journal, self.repository, self.now = model, home, journal, repository, now

    def plan(self) -> ExpiryPlan:
        """What would be deleted; nothing is changed."""
        declared, plans = self.model.expire, self._plans()
        known = backed_up(self.repository, self.model.name, asked=declared.unless_backed_up) if declared.ages else None
        aged = [plans[kind](self.now - age, known) for kind, age in declared.ages.items() if known is not None]
        upkeep = [plan_upkeep(kind, uri, now=self.now, keep=KEEP_FILES) for kind, uri in self._tables().items()]
        return joined([*aged, *upkeep])

    def execute(self, *, run: RunRef, approved: bool = False) -> ExpiryPlan:
        """Delete what `plan` says, in its current state; when it is killed, the next run continues.

        Args:
            run: the run that asks.
            approved: a person has looked at the plan.

        Returns:
            What was deleted.

        Raises:
            ApprovalError: it would be more than `max_deleted_share` of a kind; nothing was deleted.
            ConfigError: a YAML is broken, of whatever model; nothing was deleted.
        """
        refuse_to_delete(self.home.models)
        plan = self.plan()
        if not approved:
            look = f"almanac expire {self.model.name}"
            share = self.model.expire.max_deleted_share
            plan.check(self.model.name, share, look=look, do=f"{look} --apply --approve")
        tables = self._tables()
        for kind in tables:
            guard = TableGuard.of(self.home, _GUARDED[kind], self.model.name, self.journal)
            delete_rows(guard, [item for item in plan.going if item.kind == kind])
        for item in plan.going:
            for uri in item.where if item.kind not in tables else ():
                remove(uri, below=self.home.landing if item.kind == "landing" else "")
        self._clear_checkpoints()
        if plan.going:
            self._record(plan, run)
        return plan

    def _plans(self) -> dict[str, Callable[[datetime, BackedUp], ExpiryPlan]]:
        home, name = self.home, self.model.name
        quarantine, rows = home.quarantined_files_of(name), home.quarantined_rows_of(name)
        unasked = BackedUp(frozenset(), asked=False)  # no snapshot holds what versions in shadow said
        return {
            "landing": self._landing,
            "quarantine_files": lambda before, known: plan_files(
                "quarantine_files",
                quarantine,
                ["*"],
                before=before,
                needs=lambda file: known.need([(f"quarantine/files/{file.name}", file.size_bytes)]),
            ),
            "quarantine_rows": lambda before, known: plan_quarantined_rows(rows, before=before, known=known),
            "reports": self._reports,
            "predictions": lambda before, known: self._predictions("predictions", before, known),
            "shadow": lambda before, _: self._predictions("shadow", before, unasked),
            "checkpoints": lambda before, _: plan_checkpoints(Path(home.checkpoints_of(name)), before=before),
        }

    def _landing(self, before: datetime, known: BackedUp) -> ExpiryPlan:
        needs, patterns = (
            landing_needs(self.model, self.home, self.journal, self._held(), known),
            self.model.source.patterns,
        )
        places = (self.home.landing_of(self.model.name), self.home.ingested_of(self.model.name))
        return joined([plan_files("landing", place, patterns, before=before, needs=needs) for place in places])

    def _tables(self) -> dict[str, str]:
        name = self.model.name
        return {
            "quarantine_rows": self.home.quarantined_rows_of(name),
            "predictions": self.home.predictions_of(name),
            "shadow": self.home.shadow_predictions_of(name),
        }

    def _predictions(self, kind: str, before: datetime, known: BackedUp) -> ExpiryPlan:
        return plan_predictions(kind, self._tables()[kind], self.model, before=before, now=self.now, known=known)

    def _reports(self, before: datetime, known: BackedUp) -> ExpiryPlan:
        uri, waiting = self.home.reports_of(self.model.name), Quarantine(self.home, self.model).read_rows()
        batches = {str(batch)[:_SHORT] for batch in waiting["batch"]} if waiting.width else set()
        linked = [one.message.report for one in AlertLog(self.journal).unclosed() if one.message.report]
        needs = report_needs(uri, quarantined=batches, linked=linked, known=known)
        return plan_files("reports", uri, ["*"], before=before, needs=needs)

    def _held(self) -> frozenset[str]:
        return frozenset(record.batch_id for record in committed_batches(DatasetTable.of(self.home, self.model)))

    def _clear_checkpoints(self) -> None:
        uri = self.home.checkpoints_of(self.model.name)
        if not is_remote(uri):
            for folder in local_path(uri).glob("*"):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    def _record(self, plan: ExpiryPlan, run: RunRef) -> None:
        kinds = sorted({item.kind for item in plan.going})
        counts = {kind: float(sum(item.count for item in plan.going if item.kind == kind)) for kind in kinds}
        reasons = tuple(
            f"{count:.0f} {kind} {'older than declared' if kind in EXPIRING else 'no longer in use'}"
            for kind, count in counts.items()
        )
        self.journal.record_decision(
            Decision(self.model.name, DecisionKind.EXPIRY, True, reasons, self.now, run, figures=counts)
        )
