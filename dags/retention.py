"""Forgets snapshots by the declared policies, deletes what was forgotten before the grace period, moves what is old.

What is in use stays whatever a policy says: see the reasons in the XCom of `forget`. Nothing is forgotten while the
model registry cannot be asked; a sweep that would delete too much of a place asks a person. Old snapshots go to cheaper
tiers where that pays; the newest, the champion and the last proven one stay hot.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import retention_params
from almanac_airflow.installation import declared_installation, installation_dag

HOME = Home()


def build(installation: Installation) -> DAG:
    """`retention`: forget -> sweep, tiers."""
    schedule = installation.backup.retention.schedule
    with installation_dag(
        "retention", installation, purpose=__doc__, schedule=schedule, params=retention_params()
    ) as dag:

        @task(doc_md="A tombstone for each snapshot that no rule and no pin keeps; says why the others stay.")
        def forget(*, params: dict[str, Any]) -> dict[str, Any]:
            from almanac.backup.tasks.run_retention import run_forget
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run, now

            by, dry_run = current_run().started_by, params["dry_run"]
            return run_forget(HOME, given_key=backup_key(), now=now(), by=by, dry_run=dry_run)

        @task(doc_md="Deletes what was forgotten before the grace period, and orphans. Red when a person must approve.")
        def sweep(_forgotten: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
            from almanac.backup.tasks.run_retention import run_sweep
            from almanac_airflow.access.permission import approve_by_form
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import now

            dry_run, approved = params["dry_run"], params["approve"]
            if approved and not dry_run:
                approve_by_form(HOME, "sweep more of a backup place than retention.max_deleted_share")
            return run_sweep(HOME, given_key=backup_key(), now=now(), dry_run=dry_run, approved=approved)

        @task(doc_md="What each tier holds, costs and would hold; then moves what is declared. Manifests stay hot.")
        def tiers(_forgotten: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
            from almanac.backup.tasks.run_tiers import run_tiers
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import now

            return run_tiers(HOME, given_key=backup_key(), now=now(), dry_run=params["dry_run"])

        forgotten = forget()
        sweep(forgotten)
        tiers(forgotten)
    return dag


build(declared_installation(HOME))
