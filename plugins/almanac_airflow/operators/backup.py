"""Operators for backups: take, restore, prove, forget."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk.definitions.context import Context

from almanac.config.home import Home
from almanac_airflow.declarations import declared_installation
from almanac_airflow.operators.archive import wait_for_archive
from almanac_airflow.operators.base import InstallationOperator
from almanac_airflow.steps import backup

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


class BackupOperator(InstallationOperator):
    """Takes snapshots of subjects and of any folders, or of everything as one group.

    Of what has not changed nothing is stored twice. Skipped: nothing is there yet. Fails at once when something could
    not be backed up, after everything else was; with `on_fault="warn"` it is in the result only. Retried: a store or a
    database is unreachable.

    Returns: for each snapshot its name, files, bytes, and whether it is new.

    Args:
        subjects: `dataset/NAME`, `model/NAME`, `outputs/NAME`, `checkpoints/NAME`, `database/NAME`, or several; none:
            everything.
        folders: any folders, of this machine or in an object store, by the names that their snapshots get: `{"logs":
            "/srv/logs"}` becomes `folder/logs`.
        version: of a model: only this one.
        reason: why; kept in the snapshot's manifest.
        on_fault: `fail` or `warn`.
    """

    template_fields: Sequence[str] = ("subjects", "folders", "version", "reason")
    options: ClassVar[Mapping[str, Any]] = {"version": None, "reason": None}

    def __init__(
        self,
        *,
        subjects: str | Sequence[str] = (),
        folders: Mapping[str, str] | None = None,
        version: str | None = None,
        reason: str | None = None,
        on_fault: Literal["fail", "warn"] = "fail",
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.subjects = subjects
        self.folders = folders
        self.version = version
        self.reason = reason
        self.on_fault = on_fault

    def work(self, at: "RunContext", context: Context) -> list[dict[str, Any]]:
        """Take them."""
        subjects = [self.subjects] if isinstance(self.subjects, str) else list(self.subjects)
        taken = backup.back_up(at, [one for one in subjects if one], self.folders or {}, self.form(context))
        if self.on_fault == "fail":
            backup.report_faults(taken)
        return taken


class RestoreOperator(InstallationOperator):
    """Restores a snapshot into a new folder, or live where it came from; each file is checked against its hash.

    What lies in the archive tier is requested first, and the task waits without a worker. A live restore is only for
    those who may approve it. Nothing is skipped. Fails at once: there is no such snapshot, it is damaged (nothing is
    restored then), or the target is in use.

    Returns: where it is, and what was done with it, in words.

    Args:
        snapshot: `dataset/weather` (the newest), `dataset/weather@20260131`, or the first characters of a hash.
        where: `folder`: a new one below `<home>/restored`; or `live`.
        replace: of a live restore: what is there is renamed.
        use: open tables, query databases, predict again; in a folder.
        second: from the secondary repository.
        reason: why; kept in the journal, of a live restore.
        look_again: time between two polls of the archive; none: as declared.
    """

    template_fields: Sequence[str] = ("snapshot", "where", "reason")
    options: ClassVar[Mapping[str, Any]] = {
        "snapshot": None,
        "where": "folder",
        "replace": False,
        "use": True,
        "second": False,
        "reason": None,
    }

    def __init__(
        self,
        *,
        snapshot: str | None = None,
        where: str | None = None,
        replace: bool | None = None,
        use: bool | None = None,
        second: bool | None = None,
        reason: str | None = None,
        look_again: timedelta | None = None,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.snapshot = snapshot
        self.where = where
        self.replace = replace
        self.use = use
        self.second = second
        self.reason = reason
        self.look_again = look_again

    def execute(self, context: Context, event: Any = None) -> Any:
        """Restore; after a wait for the archive, too."""
        return super().execute(context)

    def work(self, at: "RunContext", context: Context) -> list[str]:
        """Request from the archive what lies there; then restore."""
        form = self.form(context)
        look_again = self.look_again or declared_installation(at.home).backup.tiers.look_again
        wait_for_archive(self, at, form, context, look_again)
        return backup.restore(at, form)


class RestoreDrillOperator(InstallationOperator):
    """Restores snapshots into a scratch folder, uses them, and sees that a damaged copy is refused.

    Never to where things are live. Nothing is skipped. Fails at once: a drill failed, there was nothing to restore, or
    the last successful one is too old.

    Returns: each result in words; the repository keeps it too.

    Args:
        subjects: for example `dataset/weather`, or several; none: all that have snapshots.
        place: the repository: `first`, `second`, or `in turn`: the first in one week, the second in the next.
    """

    template_fields: Sequence[str] = ("subjects", "place")
    options: ClassVar[Mapping[str, Any]] = {"subjects": None, "place": "in turn"}

    def __init__(self, *, subjects: str | Sequence[str] | None = None, place: str | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.subjects = subjects
        self.place = place

    def work(self, at: "RunContext", context: Context) -> list[str]:
        """Drill."""
        form = self.form(context)
        form["subjects"] = [form["subjects"]] if isinstance(form["subjects"], str) else form["subjects"]
        return backup.drill(at, declared_installation(Home()).backup.drills, form)


class RetentionOperator(InstallationOperator):
    """Forgets snapshots by the declared policies, deletes what was forgotten long ago, moves old ones to cheap tiers.

    What is in use stays whatever a policy says. Nothing is skipped. Fails at once: more would be deleted than
    `retention.max_deleted_share`, and no entitled person has approved it. Retried: the model registry is unreachable;
    nothing is forgotten then.

    Returns: `forgotten`, `swept`, `moved`, each by repository.

    Args:
        preview: only list what would be done.
        approve: a person has checked a dry run, and wants a large deletion; the run must be that person's.
    """

    options: ClassVar[Mapping[str, Any]] = {"dry_run": False, "approve": False}

    def __init__(self, *, preview: bool | None = None, approve: bool | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.preview = preview
        self.approve = approve

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Forget, delete, move."""
        form = self.form(context)
        return {
            "forgotten": backup.forget(at, form),
            "swept": backup.sweep(at, form),
            "moved": backup.move_to_tiers(at, form),
        }
