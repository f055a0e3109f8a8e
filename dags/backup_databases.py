"""Backs up everything as one group: MLflow's, the journal's and Airflow's databases first, then what they name.

What cannot be backed up, and a YAML that cannot be read, never stops the rest: `report_faults` fails then and names it.
Then copies what is new to the second place, if there is one. Beside it a share of all stored files is read whole and
compared with the snapshots.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import reason_params
from almanac_airflow.installation import declared_installation, installation_dag

HOME = Home()


def build(installation: Installation) -> DAG:
    """`backup_databases`: backup -> (replicate, report_faults); check_files."""
    schedule = installation.backup.databases_schedule
    with installation_dag(
        "backup_databases", installation, purpose=__doc__, schedule=schedule, params=reason_params()
    ) as dag:

        @task(doc_md="Databases, model versions, datasets and outputs, tied by one group manifest.")
        def backup(*, params: dict[str, Any]) -> list[dict[str, Any]]:
            from almanac.backup.tasks.run_backup import run_backup
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run

            reason = params["reason"] or ""
            return run_backup(HOME, (), run=current_run(), given_key=backup_key(), reason=reason)

        @task(doc_md="Copies new snapshots to the second place; skipped where there is none. Deletions do not travel.")
        def replicate(_taken: list[dict[str, Any]]) -> dict[str, Any]:
            from almanac.backup.tasks.run_retention import run_replicate
            from almanac_airflow.installation import backup_key

            done = run_replicate(HOME, given_key=backup_key())
            if done is None:
                raise AirflowSkipException("there is no second place; ALMANAC_SECOND_BACKUPS names one")
            return done

        @task(doc_md="Fails, and so alerts, when something could not be backed up or declared; says what and why.")
        def report_faults(taken: list[dict[str, Any]]) -> None:
            from almanac.backup.tasks.run_backup import report_faults

            report_faults(taken)

        @task(doc_md="Reads the stored files whose turn it is; all have one within `maintenance.check_files_every`.")
        def check_files() -> dict[str, Any]:
            from almanac.backup.retention.protected import last_declarations
            from almanac.backup.snapshot.file_checks import run_check
            from almanac.backup.store.catalogue import Catalogue
            from almanac.backup.tasks.run_backup import places_of
            from almanac.registry.store import Registry
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import now

            place = places_of(HOME, backup_key()).first
            models = last_declarations(HOME, Catalogue(place).subjects())
            return run_check(HOME, place, models, Registry.of(HOME), now=now())

        taken = backup()
        replicate(taken)
        report_faults(taken)
        check_files()
    return dag


build(declared_installation(HOME))
