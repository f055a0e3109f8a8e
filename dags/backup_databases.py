"""Backs up everything as one group: first the databases of MLflow, journal and Airflow, then what they refer to.

What cannot be backed up, and a YAML that cannot be read, never stops the rest: then `report_faults` fails and names it.
New snapshots are copied to the secondary repository, if there is one. Meanwhile a share of all stored files is read
whole and compared with the snapshots.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import reason_params
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_installation
from almanac_airflow.operators.backup import BackupOperator
from almanac_airflow.runs import run_context
from almanac_airflow.steps import backup as steps

HOME = Home()


def build(installation: Installation) -> DAG:
    """`backup_databases`: backup -> (replicate, report_faults); check_files."""
    schedule = installation.backup.databases_schedule
    with make_dag(
        "backup_databases", installation, purpose=__doc__, schedule=schedule, params=reason_params(), tags=("backup",)
    ) as dag:

        @task(doc_md="Copies new snapshots to the secondary repository; skipped without one. Copies no deletions.")
        def replicate(_taken: list[dict[str, Any]]) -> dict[str, Any]:
            return steps.replicate(run_context(HOME))

        @task(doc_md="Fails, and so alerts, when something could not be backed up or declared; says what and why.")
        def report_faults(taken: list[dict[str, Any]]) -> None:
            steps.report_faults(taken)

        @task(doc_md="Reads the stored files that are due; each is due once within `maintenance.check_files_every`.")
        def check_files() -> dict[str, Any]:
            return steps.check_files(run_context(HOME))

        taken = BackupOperator(task_id="backup", from_form=True, on_fault="warn").output
        replicate(taken)
        report_faults(taken)
        check_files()
    return dag


build(declared_installation(HOME))
