"""Restores a snapshot: a model version, a dataset, outputs or a database.

By hand, with parameters: into a new folder, or live where it came from, if nothing is there. What lies in the archive
is asked for first, and the run waits without a worker. Live only for those who may approve it (`approval` of
`_installation.yaml`). Databases and groups come back live from the command line only,
with the services stopped: `almanac restore group/all --live`.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import restore_params
from almanac_airflow.installation import declared_installation, installation_dag
from almanac_airflow.operators.thaw import ThawOperator

HOME = Home()


def build(installation: Installation) -> DAG:
    """`restore`: thaw -> restore."""
    with installation_dag("restore", installation, purpose=__doc__, schedule=None, params=restore_params()) as dag:
        thaw = ThawOperator(
            task_id="thaw", home=HOME, look_again=installation.backup.tiers.look_again, doc_md=ThawOperator.__doc__
        )

        @task(retries=0, doc_md="Restores what the form names, each file checked against its hash; says where it is.")
        def restore(*, params: dict[str, Any]) -> list[str]:
            from almanac.backup.tasks.run_restore import run_restore
            from almanac_airflow.access.permission import approve_restore
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run, now

            approve_restore(HOME, params)
            return run_restore(HOME, params, given_key=backup_key(), run=current_run(), now=now())

        thaw >> restore()
    return dag


build(declared_installation(HOME))
