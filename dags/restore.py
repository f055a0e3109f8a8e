"""Restores a snapshot: a model version, a dataset, outputs or a database.

Started by a person, with parameters: into a new folder, or live where it came from, if nothing is there. What lies in
the archive tier is requested first, and the run waits without a worker. A live restore is only for those who may
approve it (`approval` of `_installation.yaml`). Databases and groups are restored live from the command line only, with
the services stopped: `almanac restore group/all --live`.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import restore_params
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_installation
from almanac_airflow.operators.archive import ArchiveOperator
from almanac_airflow.runs import run_context
from almanac_airflow.steps import backup as steps

HOME = Home()


def build(installation: Installation) -> DAG:
    """`restore`: `thaw` (waits for the archive) -> `restore`."""
    with make_dag(
        "restore", installation, purpose=__doc__, schedule=None, params=restore_params(), tags=("backup",)
    ) as dag:
        from_archive = ArchiveOperator(
            task_id="thaw",
            home=HOME,
            look_again=installation.backup.tiers.look_again,
            doc_md=ArchiveOperator.__doc__,
        )

        # no retry: the person who started it sees the error, and decides
        @task(retries=0, doc_md="Restores what the form names, checks each file against its hash; says where it is.")
        def restore(*, params: dict[str, Any]) -> list[str]:
            return steps.restore(run_context(HOME), params)

        from_archive >> restore()
    return dag


build(declared_installation(HOME))
