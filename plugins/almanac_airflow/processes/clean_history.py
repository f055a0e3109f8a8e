"""Deletes old rows of Airflow's database by Airflow's own `db clean`, but for those that something still reads.

`python -m almanac_airflow.processes.clean_history --before 2026-01-01T00:00:00+00:00 [--dry-run]` prints JSON: rows by
table, and when the newest of them last changed. A program of its own, because a task of Airflow 3 has no way to its
database: it is started with that database's address, by `almanac.cleanup.airflow_rows`.

`airflow db clean` keeps the newest run of each DAG by the time of its start. The scheduler goes on from others: from
the run of the newest window, although a backfill of older windows started later; and from the newest run that an event
triggered, without which the next one takes in all older events once more. Almanac itself remembers by the events of a
dataset what it has announced (ADR 17). These rows are given to the same mechanism as filters.
"""

import argparse
import contextlib
import io
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

EVENTS_OF_AN_ASSET = 100
"""So many of the newest stay of each asset; `almanac_airflow.asset_events` looks back as far."""

_BATCH_ROWS = 2_000  # of one transaction: the scheduler does not wait long for the lock of SQLite
_UNFINISHED = ("queued", "running")
# Without `dag`: models that were not parsed for a while are not gone. Without `trigger`: those of watchers live for
# ever, and the triggerer removes those that nobody uses. What hangs on a task (rendered fields, answers of people,
# reschedules) goes with it.
_TABLES = (
    *("dag_run", "task_instance", "task_instance_history", "xcom", "log", "import_error", "job", "asset_event"),
    *("callback", "deadline", "dag_version", "partitioned_asset_key_log", "task_state_store", "revoked_token"),
    *("celery_taskmeta", "celery_tasksetmeta", "connection_test_request", "session"),
)
_CHECKED = re.compile(r"^Checking table (\w+)\nFound (\d+) rows", re.MULTILINE)


def main() -> None:
    """Clean, or say what would be cleaned."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=datetime.fromisoformat, required=True)
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    sys.stdout.write(f"{json.dumps(clean(given.before, dry_run=given.dry_run))}\n")


def clean(before: datetime, *, dry_run: bool) -> dict[str, Any]:
    """Delete what is older and nobody reads; gives the rows by table.

    Raises:
        RuntimeError: a table could not be cleaned.
    """
    from airflow.utils import db_cleanup
    from airflow.utils.session import create_session
    from pendulum import instance

    with create_session() as session:
        filters = _filters(needed_runs(session))
        changed_at = _changed_at(session, before)
    for config in db_cleanup.config_list:
        if config.table_name in filters:
            conditions = [*(config.extra_filters or []), *filters[config.table_name]]
            columns = {*(config.extra_columns or []), "id", "state"} if config.table_name == "dag_run" else ["id"]
            db_cleanup.config_dict[config.table_name] = replace(
                config, extra_filters=conditions, extra_columns=sorted(columns)
            )
    tables = [name for name in _TABLES if name in db_cleanup.config_dict]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        db_cleanup.run_cleanup(
            clean_before_timestamp=instance(before),
            table_names=tables,
            dry_run=dry_run,
            confirm=False,
            skip_archive=True,
            batch_size=_BATCH_ROWS,
            error_on_cleanup_failure=True,
        )
    counts = {table: int(rows) for table, rows in _CHECKED.findall(said.getvalue())}
    return {"rows": {table: rows for table, rows in counts.items() if rows}, "changed_at": changed_at}


def needed_runs(session: Any) -> list[int]:
    """The runs that the scheduler goes on from, of each DAG: they stay, however old."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunType
    from sqlalchemy import select

    by_time = (DagRunType.SCHEDULED, DagRunType.BACKFILL_JOB)
    newest_first = {
        (by_time, DagRun.logical_date),
        (by_time, DagRun.partition_date),
        ((DagRunType.ASSET_TRIGGERED,), DagRun.run_after),
    }
    found: set[int] = set()
    for dag_id in session.scalars(select(DagRun.dag_id).distinct()).all():
        for types, time in newest_first:
            query = select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_type.in_(types), time.is_not(None))
            found.update(session.scalars(query.order_by(time.desc(), DagRun.id.desc()).limit(1)))
    return sorted(found)


def _filters(needed: Iterable[int]) -> dict[str, list[Any]]:
    """For each table, the conditions that a row must meet to be deleted, beside its age."""
    from airflow.models.asset import AssetEvent, PartitionedAssetKeyLog, association_table
    from airflow.models.dagrun import DagRun
    from sqlalchemy import column, exists, func, literal_column, select

    newest = select(
        AssetEvent.id,
        func.row_number().over(partition_by=AssetEvent.asset_id, order_by=AssetEvent.id.desc()).label("place"),
    ).subquery()
    waiting = (
        select(association_table.c.event_id)
        .join(DagRun, DagRun.id == association_table.c.dag_run_id)
        .where(DagRun.state.in_(_UNFINISHED))
    )
    of_unfinished = exists().where(
        DagRun.dag_id == literal_column("base.dag_id"),
        DagRun.run_id == literal_column("base.run_id"),
        DagRun.state.in_(_UNFINISHED),
    )
    event: Any = column("id")
    kept_events = [
        event.not_in(select(newest.c.id).where(newest.c.place <= EVENTS_OF_AN_ASSET)),
        event.not_in(select(PartitionedAssetKeyLog.asset_event_id)),
        event.not_in(waiting),
    ]
    finished = [column("state").not_in(_UNFINISHED), column("id").not_in(list(needed))]
    of_runs = ("task_instance", "task_instance_history", "xcom")
    return {"dag_run": finished, "asset_event": kept_events, **{name: [~of_unfinished] for name in of_runs}}


def _changed_at(session: Any, before: datetime) -> str | None:
    """When the newest of the old runs and tasks last changed: a snapshot must be younger to hold them as they are."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import func, select

    times = [
        session.scalar(select(func.max(model.updated_at)).where(model.start_date < before))
        for model in (DagRun, TaskInstance)
    ]
    found = [time for time in times if time is not None]
    return max(found).isoformat() if found else None


if __name__ == "__main__":
    main()
