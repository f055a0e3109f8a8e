"""Deletes old outputs as `expire` declares: landed files, quarantine, reports, predictions, checkpoints.

A dry run first; the XCom of `plan` says what goes and why the rest stays. What a snapshot does not hold yet stays, what
the monitor still compares, pages that a lasting alarm names, landed files whose rows the dataset does not hold. A run
that would delete too much of a kind asks a person.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.backup_params import expiry_params
from almanac_airflow.dags import cron, declared_models, model_dag

HOME = Home()


def build(model: Model) -> DAG:
    """`expire_outputs_<model>`: plan -> expire."""
    schedule = cron(model.expire.schedule)
    with model_dag("expire_outputs", model, purpose=__doc__, schedule=schedule, params=expiry_params()) as dag:

        @task(doc_md="A dry run: what is old, what of it would go, and why the rest stays.")
        def plan() -> dict[str, Any]:
            from almanac.cleanup.run_expiry import run_plan
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import now

            return run_plan(model, HOME, given_key=backup_key(), now=now())

        @task(doc_md="Deletes it, as it is then. Skipped in a dry run; red when a person must approve.")
        def expire(planned: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
            from almanac.cleanup.run_expiry import run_expiry
            from almanac_airflow.access.permission import approve_by_form
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run, now

            if params["dry_run"] or not planned["count"]:
                raise AirflowSkipException("a dry run" if params["dry_run"] else "nothing is old enough")
            approved, key = params["approve"], backup_key()
            if approved:
                approve_by_form(HOME, "delete more outputs than expire.max_deleted_share of a kind", model=model.name)
            return run_expiry(model, HOME, given_key=key, now=now(), run=current_run(), approved=approved)

        expire(plan())
    return dag


for declared in declared_models(HOME):
    globals()[f"expire_outputs_{declared.name}"] = build(declared)
