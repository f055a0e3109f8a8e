"""What is deleted when it is old, and the files of a dataset that no version needs."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Declared, Model
from almanac_airflow.access import credentials

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def plan_expiry(context: "RunContext", model: Model) -> dict[str, Any]:
    """Which outputs are old, and why the rest stays."""
    from almanac.cleanup.run_expiry import run_plan

    return run_plan(model, context.home, given_key=credentials.backup_key(), now=context.now)


def expire(context: "RunContext", model: Model, planned: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Delete old outputs.

    Raises:
        AirflowSkipException: a dry run, or nothing is old enough.
        ApprovalError: the form approves a large deletion, and who started the run may not.
    """
    from almanac.cleanup.run_expiry import run_expiry
    from almanac_airflow.access.permission import approve_by_form

    if params["dry_run"] or not planned["count"]:
        raise AirflowSkipException("a dry run" if params["dry_run"] else "nothing is old enough")
    approved = params["approve"]
    if approved:
        approve_by_form(context, "delete more outputs than expire.max_deleted_share of a kind", model=model.name)
    return run_expiry(
        model, context.home, given_key=credentials.backup_key(), now=context.now, run=context.run, approved=approved
    )


def plan_cleanup(context: "RunContext") -> dict[str, Any]:
    """What the installation has written about itself that is old, and the sizes of everything."""
    from almanac.cleanup.run_cleanup import run_plan

    return run_plan(context.home, given_key=credentials.backup_key(), now=context.now)


def clean(context: "RunContext", params: dict[str, Any]) -> dict[str, Any]:
    """Delete it.

    Raises:
        AirflowSkipException: a dry run.
    """
    from almanac.cleanup.run_cleanup import run_cleanup

    if params["dry_run"]:
        raise AirflowSkipException("a dry run: the task before says what would be deleted")
    return run_cleanup(
        context.home,
        given_key=credentials.backup_key(),
        now=context.now,
        run=context.run,
        approved=params["approve"],
    )


def report_faults(done: dict[str, Any]) -> None:
    """Fail when a part could not be cleaned.

    Raises:
        AlmanacError: one could not; the message says which and why.
    """
    from almanac.cleanup.cleanup import raise_reported_problems

    raise_reported_problems(done)


def plan_maintenance(context: "RunContext", model: Declared) -> dict[str, Any]:
    """Which versions of a dataset are needed and by whom, and how many files could go.

    Raises:
        AirflowSkipException: there is no dataset yet.
    """
    from almanac.backup.retention.needs import backed_up_versions
    from almanac.data.table.dataset import DatasetTable
    from almanac.data.table.maintenance import plan_maintenance

    if not DatasetTable.of(context.home, model).exists():
        raise AirflowSkipException("no dataset yet")
    backed_up = backed_up_versions(context.home, model.name)
    return plan_maintenance(model, context.home, context.registry, backed_up=backed_up).to_json()


def compact(context: "RunContext", model: Declared, params: dict[str, Any]) -> int:
    """Join the small files of a dataset.

    Raises:
        AirflowSkipException: a dry run.
    """
    from almanac.data.table.maintenance import compact

    if params["dry_run"]:
        raise AirflowSkipException("dry run: the task before says what would be done")
    return compact(model, context.home)


def vacuum(context: "RunContext", model: Declared) -> dict[str, Any]:
    """Remove the files of a dataset that no needed version has."""
    from almanac.backup.retention.needs import backed_up_versions
    from almanac.data.table.maintenance import vacuum

    backed_up = backed_up_versions(context.home, model.name)
    return vacuum(model, context.home, context.registry, backed_up=backed_up).to_json()
