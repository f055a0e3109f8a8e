"""Joins the dataset's small files, then removes files that no needed version has: a dry run first, then for real.

A version is needed for ever when a registered model version, or one in a backup, was trained on it, and in any case for
`maintenance.keep_for`. Nothing is removed while the model registry cannot be asked.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.dags import cron, declared_models, model_dag
from almanac_airflow.params import maintenance_params

HOME = Home()


def build(model: Model) -> DAG:
    """`maintain_data_<model>`: plan -> compact -> vacuum."""
    schedule = cron(model.maintenance.schedule)
    with model_dag("maintain_data", model, purpose=__doc__, schedule=schedule, params=maintenance_params()) as dag:

        @task(doc_md="A dry run: which versions are needed and by whom, and how many files could go.")
        def plan() -> dict[str, Any]:
            from almanac.backup.retention.needs import backed_up_versions
            from almanac.data.table.dataset import Dataset
            from almanac.data.table.maintenance import plan_maintenance
            from almanac.registry.store import Registry

            if not Dataset.of(HOME, model).exists():
                raise AirflowSkipException("no dataset yet")
            backed_up = backed_up_versions(HOME, model.name)
            return plan_maintenance(model, HOME, Registry.of(HOME), backed_up=backed_up).to_json()

        @task(doc_md="Joins small files in one commit that changes no row; skipped in a dry run.")
        def compact(_planned: dict[str, Any], *, params: dict[str, Any]) -> int:
            from almanac.data.table.maintenance import compact

            if params["dry_run"]:
                raise AirflowSkipException("dry run: the task before says what would be done")
            return compact(model, HOME)

        @task(doc_md="Removes what nobody needs, as the plan says; who needs what is asked again.")
        def vacuum(_saved: int) -> dict[str, Any]:
            from almanac.backup.retention.needs import backed_up_versions
            from almanac.data.table.maintenance import vacuum
            from almanac.registry.store import Registry

            return vacuum(model, HOME, Registry.of(HOME), backed_up=backed_up_versions(HOME, model.name)).to_json()

        vacuum(compact(plan()))
    return dag


for declared in declared_models(HOME):
    globals()[f"maintain_data_{declared.name}"] = build(declared)
