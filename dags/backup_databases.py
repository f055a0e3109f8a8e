"""Backs up everything as one group: MLflow's, the journal's and Airflow's databases first, then what they name.

What cannot be backed up, and a YAML that cannot be read, never stops the rest: `report_faults` fails then and names it.
Then copies what is new to the second place, if there is one. Beside it a share of all stored files is read whole and
compared with the snapshots.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException
from almanac.backup_params import reason_params
from almanac.installation import declared_installation, installation_dag

from include.config.home import Home
from include.config.installation import Installation

HOME = Home()


def build(installation: Installation) -> DAG:
    """`backup_databases`: backup -> (replicate, report_faults); check_files."""
    schedule = installation.backup.databases_schedule
    with installation_dag(
        "backup_databases", installation, purpose=__doc__, schedule=schedule, params=reason_params()
    ) as dag:

        @task(doc_md="Databases, model versions, datasets and outputs, tied by one group manifest.")
        def backup(*, params: dict[str, Any]) -> list[dict[str, Any]]:
            from almanac.installation import backup_key
            from almanac.runs import current_run

            from include.backup.run_backup import run_backup

            reason = params["reason"] or ""
            return run_backup(HOME, (), run=current_run(), given_key=backup_key(), reason=reason)

        @task(doc_md="Copies new snapshots to the second place; skipped where there is none. Deletions do not travel.")
        def replicate(_taken: list[dict[str, Any]]) -> dict[str, Any]:
            from almanac.installation import backup_key

            from include.backup.run_retention import run_replicate

            done = run_replicate(HOME, given_key=backup_key())
            if done is None:
                raise AirflowSkipException("there is no second place; ALMANAC_SECOND_BACKUPS names one")
            return done

        @task(doc_md="Fails, and so alerts, when something could not be backed up or declared; says what and why.")
        def report_faults(taken: list[dict[str, Any]]) -> None:
            from include.backup.run_backup import report_faults

            report_faults(taken)

        @task(doc_md="Reads the stored files whose turn it is; all have one within `maintenance.check_files_every`.")
        def check_files() -> dict[str, Any]:
            from almanac.installation import backup_key
            from almanac.runs import now

            from include.backup.catalogue import Catalogue
            from include.backup.file_checks import run_check
            from include.backup.protected import last_declarations
            from include.backup.run_backup import places_of
            from include.registry.store import Registry

            place = places_of(HOME, backup_key()).first
            models = last_declarations(HOME, Catalogue(place).subjects())
            return run_check(HOME, place, models, Registry.of(HOME), now=now())

        taken = backup()
        replicate(taken)
        report_faults(taken)
        check_files()
    return dag


build(declared_installation(HOME))
