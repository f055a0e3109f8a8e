"""Deletes what the installation has written about itself and nobody reads any more, and measures everything.

Rows of Airflow's database, by its own `db clean`; log files of tasks; rows of the journal that are no decision; runs of
MLflow from which no version was registered. Ages: `cleanup` of `_installation.yaml`. A snapshot of a database is taken
before rows of it are deleted. Outputs of a model have a DAG of their own, `expire_outputs_<model>`. The page *Storage*
shows the figures.

Runs where `backup_databases` runs: both open the databases of Airflow and MLflow.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import cleanup_params
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_installation
from almanac_airflow.runs import run_context
from almanac_airflow.steps import cleanup as steps

HOME = Home()


def build(installation: Installation) -> DAG:
    """`cleanup`: plan -> clean -> report_faults."""
    schedule = installation.cleanup.schedule
    with make_dag(
        "cleanup", installation, purpose=__doc__, schedule=schedule, params=cleanup_params(), tags=("backup",)
    ) as dag:

        @task(doc_md="A dry run: what is old, what of it would be deleted, why the rest stays; and all sizes.")
        def plan() -> dict[str, Any]:
            return steps.plan_cleanup(run_context(HOME))

        @task(doc_md="Deletes it; one part that fails never stops the others. Skipped in a dry run.")
        def clean(_planned: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
            return steps.clean(run_context(HOME), params)

        @task(doc_md="Fails, and so alerts, when a part could not be cleaned; says which and why.")
        def report_faults(done: dict[str, Any]) -> None:
            steps.report_faults(done)

        report_faults(clean(plan()))
    return dag


build(declared_installation(HOME))
