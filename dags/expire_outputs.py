"""Deletes old outputs as `expire` declares: landed files, quarantine, reports, predictions, checkpoints.

A dry run comes first; the XCom of `plan` says what would be deleted and why the rest stays. Kept are: what no snapshot
holds yet, what the monitor still compares, pages that an open alarm links to, landed files whose rows are not in the
dataset. A run that would delete too much of a kind needs the approval of a person.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.backup_params import expiry_params
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.runs import run_context
from almanac_airflow.steps import cleanup as steps

HOME = Home()


def build(model: Model) -> DAG:
    """`expire_outputs_<model>`: plan -> expire."""
    schedule = model.expire.schedule
    with make_dag("expire_outputs", model, purpose=__doc__, schedule=schedule, params=expiry_params()) as dag:

        @task(doc_md="A dry run: what is old, what of it would be deleted, and why the rest stays.")
        def plan() -> dict[str, Any]:
            return steps.plan_expiry(run_context(HOME), model)

        @task(doc_md="Deletes it. Skipped in a dry run; red when a person must approve.")
        def expire(planned: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
            return steps.expire(run_context(HOME), model, planned, params)

        expire(plan())
    return dag


for declared in declared_models(HOME):
    globals()[f"expire_outputs_{declared.name}"] = build(declared)
