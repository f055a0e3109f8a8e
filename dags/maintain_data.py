"""Joins the dataset's small files, then removes files that no needed version has: a dry run first, then for real.

A version is needed for ever when a registered model version, or one in a backup, was trained on it, and in any case for
`maintenance.keep_for`. Nothing is removed while the model registry cannot be reached.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_owners
from almanac_airflow.params import maintenance_params
from almanac_airflow.runs import run_context
from almanac_airflow.steps import cleanup as steps

HOME = Home()


def build(model: Declared) -> DAG:
    """`maintain_data_<model>`: plan -> compact -> vacuum."""
    schedule = model.maintenance.schedule
    with make_dag("maintain_data", model, purpose=__doc__, schedule=schedule, params=maintenance_params()) as dag:

        @task(doc_md="A dry run: which versions are needed and by whom, and how many files could be removed.")
        def plan() -> dict[str, Any]:
            return steps.plan_maintenance(run_context(HOME), model)

        @task(doc_md="Joins small files in one commit that changes no row; skipped in a dry run.")
        def compact(_planned: dict[str, Any], *, params: dict[str, Any]) -> int:
            return steps.compact(run_context(HOME), model, params)

        @task(doc_md="Removes what no needed version has; which versions are needed is checked again.")
        def vacuum(_saved: int) -> dict[str, Any]:
            return steps.vacuum(run_context(HOME), model)

        vacuum(compact(plan()))
    return dag


for declared in declared_owners(HOME):
    globals()[f"maintain_data_{declared.name}"] = build(declared)
