"""Sends alerts that have become due: held back by quiet hours, undelivered, unacknowledged, lasting.

Checks the disk, backups, drills and missing snapshots, restarted services, failures that nobody was notified of, and
whether the runs that wait for a person are still there.

Every other alert comes from the task that sees its cause. A run by hand with numbers in `acknowledge` notes that you
take these alerts on: no reminder and no escalation follows. With numbers in `dismiss`, and a reason, it ends them.
"""

from typing import Any

from airflow.sdk import DAG, Param, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.access.credentials import try_to_load_connections
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_installation
from almanac_airflow.params import optional_reason
from almanac_airflow.runs import run_context
from almanac_airflow.steps import health

HOME = Home()
ACKNOWLEDGE = Param(
    [],
    type="array",
    items={"type": "integer"},
    title="Acknowledge",
    description="Numbers of alerts that you take on; `almanac alerts list` and the Almanac page show them.",
)


DISMISS = Param(
    [],
    type="array",
    items={"type": "integer"},
    title="Dismiss",
    description="Numbers of alerts to end although their cause remains, such as a file that nobody delivers again.",
)


def build(installation: Installation) -> DAG:
    """`alerts`: one task."""
    with make_dag(
        "alerts",
        installation,
        purpose=__doc__ or "",
        schedule="*/5 * * * *",
        tags=("almanac", "alerts"),
        params={
            "acknowledge": ACKNOWLEDGE,
            "dismiss": DISMISS,
            "reason": optional_reason("Why you dismiss them. Required for that; kept with your name."),
        },
        retries=0,  # the next run, within five minutes, checks everything again
        credentials=try_to_load_connections,  # who sends the alert about a broken connection must not stop at it
    ) as dag:

        @task(doc_md="Records who took on which alerts, checks disk, backups and services, sends what is due.")
        def attend(*, params: dict[str, Any]) -> dict[str, Any]:
            return health.attend(run_context(HOME), declared_installation(HOME), params)

        attend()
    return dag


build(declared_installation(HOME))
