"""Snapshots: taken, copied, checked, restored, proven, and forgotten."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Declared, Model
from almanac_airflow.access import credentials

if TYPE_CHECKING:
    from almanac.backup.installation import BackupRepositories
    from almanac.backup.store.repository import BackupRepository
    from almanac.config.sections.retention.backup import Drills
    from almanac.registry.run_context import RunContext

_STATE_OF = {"dataset": "dataset", "outputs": "predictions"}


def back_up_data(
    context: "RunContext", model: Declared, subject: str, params: dict[str, Any], *, at_most_every: timedelta
) -> list[dict[str, Any]]:
    """A snapshot of a model's dataset or outputs.

    Args:
        context: of the running task.
        model: whose.
        subject: `dataset` or `outputs`.
        params: the form of the run.
        at_most_every: a run that an event or the sweep triggered takes none sooner after the last one.

    Raises:
        AirflowSkipException: it was taken already, a short time ago, or nothing is there yet.
    """
    from almanac.backup.tasks.run_backup import is_due, run_backup
    from almanac_airflow.handled import handled_before, handling
    from almanac_airflow.runs import is_swept

    name, state = f"{subject}/{model.name}", _STATE_OF[subject]
    if context.run.trigger.startswith("asset") or is_swept():
        if why := handled_before(context, model, "backup_data", state).get(state):
            raise AirflowSkipException(why)
        if not is_due(context.home, name, at_most_every=at_most_every, now=context.now):
            raise AirflowSkipException("a snapshot was taken a short time ago; the sweep takes the next one")
    with handling(context, model, "backup_data", state):
        taken = run_backup(
            context.home, [name], run=context.run, given_key=credentials.backup_key(), reason=params["reason"] or ""
        )
    if not taken:
        raise AirflowSkipException("nothing is there yet")
    return taken


def back_up_model(context: "RunContext", model: Model, params: dict[str, Any]) -> list[dict[str, Any]]:
    """A snapshot of each version of a model that has none as it is now.

    Raises:
        AirflowSkipException: every version has one.
    """
    from almanac.backup.tasks.run_backup import run_backup
    from almanac_airflow.handled import handling

    with handling(context, model, "backup_model", whole=not params["version"]):
        taken = run_backup(
            context.home,
            [f"model/{model.name}"],
            run=context.run,
            given_key=credentials.backup_key(),
            version=params["version"] or "",
            reason=params["reason"] or "",
        )
    if not any(one["new"] for one in taken):
        raise AirflowSkipException("every version is in a snapshot as it is now")
    return taken


def back_up(
    context: "RunContext", subjects: Sequence[str], folders: Mapping[str, str], params: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Snapshots of subjects and folders; of everything as one group when none is named.

    Raises:
        AirflowSkipException: nothing is there yet.
    """
    from almanac.backup.tasks.run_backup import run_backup

    taken = run_backup(
        context.home,
        subjects,
        run=context.run,
        given_key=credentials.backup_key(),
        version=params["version"] or "",
        reason=params["reason"] or "",
        folders=folders,
    )
    if not taken:
        raise AirflowSkipException("nothing is there yet")
    return taken


def replicate(context: "RunContext") -> dict[str, Any]:
    """Copy new snapshots to the secondary repository.

    Raises:
        AirflowSkipException: there is none.
    """
    from almanac.backup.tasks.run_retention import run_replicate

    done = run_replicate(context.home, given_key=credentials.backup_key())
    if done is None:
        raise AirflowSkipException("there is no secondary repository; ALMANAC_SECOND_BACKUPS names one")
    return done


def report_faults(taken: list[dict[str, Any]]) -> None:
    """Fail when something could not be backed up or declared.

    Raises:
        IntegrityError: something could not; the message says what and why.
    """
    from almanac.backup.tasks.run_backup import raise_reported_problems

    raise_reported_problems(taken)


def check_files(context: "RunContext") -> dict[str, Any]:
    """Read a share of all stored files and compare them with the snapshots."""
    from almanac.backup.retention.protected import last_declarations
    from almanac.backup.snapshot.file_checks import run_check
    from almanac.backup.store.catalogue import Catalogue
    from almanac.backup.tasks.run_backup import repositories_of

    repository = repositories_of(context.home, credentials.backup_key()).first
    models = last_declarations(context.home, Catalogue(repository).subjects())
    return run_check(context.home, repository, models, context.registry, now=context.now)


def restore(context: "RunContext", params: dict[str, Any]) -> list[str]:
    """Restore what the form names.

    Raises:
        ApprovalError: a live restore, and who started the run may not approve it.
    """
    from almanac.backup.tasks.run_restore import run_restore
    from almanac_airflow.access.permission import approve_restore

    approve_restore(context, params)
    return run_restore(context.home, params, given_key=credentials.backup_key(), run=context.run, now=context.now)


def drill(context: "RunContext", settings: "Drills", params: dict[str, Any]) -> list[str]:
    """Restore snapshots into a scratch folder, use them, and refuse a damaged copy; gives the results in words.

    Raises:
        IntegrityError: a drill failed, or the last good one is too old.
    """
    from almanac.backup.drill.drill import in_words
    from almanac.backup.tasks.run_backup import record_drill_results
    from almanac.drills.run_drill import check_drills, run_drill

    repositories, repository = _places(context, params["place"])
    results = run_drill(context.home, repository, params["subjects"] or (), report=print)
    record_drill_results(context.home, results, context.run)
    check_drills(repositories, results, settings, now=context.clock())
    return [in_words(result) for result in results]


def verify(context: "RunContext", settings: "Drills") -> dict[str, Any]:
    """Read today's share of all objects of each repository."""
    from almanac.backup.tasks.run_backup import repositories_of
    from almanac.drills.run_drill import verify_share

    repositories = repositories_of(context.home, credentials.backup_key()).all()
    return {
        repository.uri: verify_share(repository, settings, context.journal, context.run, now=context.now)
        for repository in repositories
    }


def drill_disaster(context: "RunContext", settings: "Drills", params: dict[str, Any]) -> str:
    """Rebuild the installation on a machine that has only the repository and its key; gives the result in words.

    Raises:
        AirflowSkipException: it is not due, not asked for, or cannot be done here.
        IntegrityError: the drill failed.
    """
    from almanac.backup.drill.disaster_due import disaster_is_due, unplayable
    from almanac.backup.drill.drill import in_words
    from almanac.backup.tasks.run_backup import record_drill_results
    from almanac.drills.run_drill import check_disaster, run_disaster_drill

    repositories, repository = _places(context, params["place"])
    if why := unplayable(context.home):
        raise AirflowSkipException(why)
    if not params["disaster"]:
        if context.run.run_id.startswith("manual__"):
            raise AirflowSkipException("a run by hand plays it only when its form says so")
        if not disaster_is_due(repositories, settings, now=context.now):
            raise AirflowSkipException("the last good disaster drill is young enough")
    result = run_disaster_drill(context.home, repository, settings, report=print)
    record_drill_results(context.home, [result], context.run)
    check_disaster(result)
    return in_words(result)


def _places(context: "RunContext", chosen: str) -> "tuple[BackupRepositories, BackupRepository]":
    """All repositories, and the one that the form of a drill names."""
    from almanac.backup.drill.drill import repository_in_turn
    from almanac.backup.tasks.run_backup import repositories_of

    repositories = repositories_of(context.home, credentials.backup_key())
    return repositories, repository_in_turn(repositories, context.now) if chosen == "in turn" else repositories.named(
        chosen == "second"
    )


def forget(context: "RunContext", params: dict[str, Any]) -> dict[str, Any]:
    """Forget the snapshots that no rule keeps."""
    from almanac.backup.tasks.run_retention import run_forget

    return run_forget(
        context.home,
        given_key=credentials.backup_key(),
        now=context.now,
        by=context.run.started_by,
        dry_run=params["dry_run"],
    )


def sweep(context: "RunContext", params: dict[str, Any]) -> dict[str, Any]:
    """Delete what was forgotten before the grace period.

    Raises:
        ApprovalError: the form approves a large deletion, and who started the run may not.
    """
    from almanac.backup.tasks.run_retention import run_sweep
    from almanac_airflow.access.permission import approve_by_form

    dry_run, approved = params["dry_run"], params["approve"]
    if approved and not dry_run:
        approve_by_form(context, "sweep more of a backup repository than retention.max_deleted_share")
    return run_sweep(
        context.home, given_key=credentials.backup_key(), now=context.now, dry_run=dry_run, approved=approved
    )


def move_to_tiers(context: "RunContext", params: dict[str, Any]) -> dict[str, Any]:
    """Move old snapshots to cheaper tiers."""
    from almanac.backup.tasks.run_tiers import run_tiers

    return run_tiers(context.home, given_key=credentials.backup_key(), now=context.now, dry_run=params["dry_run"])
