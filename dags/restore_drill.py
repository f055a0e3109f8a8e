"""Proves each week that snapshots can be restored: the newest and a random older one of each subject, and uses them.

Into a scratch folder, never to where things are live; from the primary repository in one week, from the secondary in
the next. A copy that was damaged on purpose must be refused. Fails, and so alerts, when anything differs or the last
successful drill is too old. When the last successful *disaster drill* is older than `drills.disaster_every`, the loss
of the whole machine is rehearsed as well: an empty home becomes an installation from the repository and the key alone,
is started on free ports, ingests, trains, scores, traces, and is stopped.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import drill_params
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_installation
from almanac_airflow.operators.backup import RestoreDrillOperator
from almanac_airflow.runs import run_context
from almanac_airflow.steps import backup as steps

HOME = Home()


def build(installation: Installation) -> DAG:
    """`restore_drill`: drill, verify, disaster."""
    settings = installation.backup.drills
    with make_dag(
        "restore_drill",
        installation,
        purpose=__doc__,
        schedule=settings.schedule,
        params=drill_params(),
        tags=("backup",),
    ) as dag:

        @task(doc_md="Reads today's share of all objects; each is read once within `drills.verify_days` days.")
        def verify() -> dict[str, Any]:
            return steps.verify(run_context(HOME), settings)

        @task(retries=0, doc_md="Rehearses the loss of the machine; skipped while the last success is recent.")
        def disaster(*, params: dict[str, Any]) -> str:
            return steps.drill_disaster(run_context(HOME), settings, params)

        # Side by side: the last task of a chain would decide alone whether the run is red.
        # no retries: that a snapshot comes back only at the second try is a finding, too
        RestoreDrillOperator(task_id="drill", from_form=True, retries=0)
        verify()
        disaster()
    return dag


build(declared_installation(HOME))
