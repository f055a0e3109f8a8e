"""Tells what has become due: held back by quiet hours, undelivered, unacknowledged, lasting.

Looks at the disk, at backups, drills and vanished snapshots, at services that have died and were started again, and
whether the runs that ask people are still there.

Everything else is told by the task that sees it. Started by hand with numbers in `acknowledge`, it notes that you have
taken these alerts on: no reminder and no escalation follows. With numbers in `dismiss`, and a reason, it ends them.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Param, task

from almanac.config.home import Home
from almanac.config.sections.pipelines import MAINTENANCE_QUEUE
from almanac_airflow.dags import cron
from almanac_airflow.installation import declared_installation
from almanac_airflow.notifiers.alert import callbacks
from almanac_airflow.params import optional_reason

HOME = Home()
ACKNOWLEDGE = Param(
    [], type="array", items={"type": "integer"}, title="Acknowledge",
    description="Numbers of alerts that you take on; `almanac alerts list` and the Almanac page show them.",
)  # fmt: skip


DISMISS = Param(
    [], type="array", items={"type": "integer"}, title="Dismiss",
    description="Numbers of alerts that end although their cause stays, such as a file that nobody delivers again.",
)  # fmt: skip


def build() -> DAG:
    """`alerts`: acknowledge -> attend, as one task."""
    with DAG(
        dag_id="alerts",
        description=(__doc__ or "").splitlines()[0],
        doc_md=__doc__,
        schedule=cron("*/5 * * * *"),
        catchup=False,
        max_active_runs=1,
        tags=["almanac", "alerts"],
        params={
            "acknowledge": ACKNOWLEDGE,
            "dismiss": DISMISS,
            "reason": optional_reason("Why you dismiss them. Needed for that; kept with your name."),
        },
        default_args={
            "owner": "almanac",
            "retries": 0,
            "queue": MAINTENANCE_QUEUE,
            **callbacks(None, declared_installation(HOME).alerts),
        },
    ) as dag:

        @task(doc_md="Notes who has taken what on, looks at the disk and at backups, tells what is due.")
        def attend(*, params: dict[str, Any]) -> dict[str, Any]:
            from airflow.sdk.configuration import conf

            from almanac.backup.retention.protected import last_declarations
            from almanac.health.rounds import attend
            from almanac_airflow.access.connections import task_history
            from almanac_airflow.notifiers.channels import teller
            from almanac_airflow.runs import current_run

            broker = conf.get("celery", "BROKER_URL") if "Celery" in conf.get("core", "EXECUTOR") else ""
            run, now = current_run(), datetime.now(UTC)
            return attend(
                HOME, last_declarations(HOME), declared_installation(HOME), teller(run),
                acknowledge=params["acknowledge"], dismiss=params["dismiss"], reason=params["reason"] or "",
                broker_url=broker, tasks=task_history(HOME), run=run, now=now,
            )  # fmt: skip

        attend()
    return dag


dag = build()
