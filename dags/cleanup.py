"""Deletes what the installation has written about itself and nobody reads any more, and measures everything.

Rows of Airflow's database, by its own `db clean`; log files of tasks; rows of the journal that are no decision; runs of
MLflow that no version came of. Ages: `cleanup` of `_installation.yaml`. A snapshot of a database is taken before rows
of it go. Outputs of a model have a DAG of their own, `expire_outputs_<model>`. The page *Storage* shows the figures.

Runs where `backup_databases` runs: both open the databases of Airflow and MLflow.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import cleanup_params
from almanac_airflow.installation import declared_installation, installation_dag

HOME = Home()


def build(installation: Installation) -> DAG:
    """`cleanup`: plan -> clean -> report_faults."""
    schedule = installation.cleanup.schedule
    with installation_dag("cleanup", installation, purpose=__doc__, schedule=schedule, params=cleanup_params()) as dag:

        @task(doc_md="A dry run: what is old, what of it would go, why the rest stays; and the sizes of everything.")
        def plan() -> dict[str, Any]:
            from almanac.cleanup.run_cleanup import run_plan
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import now

            return run_plan(HOME, given_key=backup_key(), now=now())

        @task(doc_md="Deletes it, as it is then; one part that fails never stops the others. Skipped in a dry run.")
        def clean(_planned: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
            from almanac.cleanup.run_cleanup import run_cleanup
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run, now

            if params["dry_run"]:
                raise AirflowSkipException("a dry run: the task before says what would be deleted")
            approved, key = params["approve"], backup_key()
            return run_cleanup(HOME, given_key=key, now=now(), run=current_run(), approved=approved)

        @task(doc_md="Fails, and so alerts, when a part could not be cleaned; says which and why.")
        def report_faults(done: dict[str, Any]) -> None:
            from almanac.cleanup.cleanup import report_faults

            report_faults(done)

        report_faults(clean(plan()))
    return dag


build(declared_installation(HOME))
