"""The one way to make a DAG of Almanac."""

import warnings
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param

from almanac.config.installation import Installation
from almanac.config.schema import Declared
from almanac.config.sections.pipelines import (
    DEFAULT_QUEUE,
    HEAVY_QUEUE,
    MAINTENANCE_QUEUE,
    Pipeline,
    words,
)
from almanac_airflow.access.access import access_control
from almanac_airflow.access.credentials import load_connections
from almanac_airflow.docs import installation_docs, model_docs
from almanac_airflow.notifiers.alert import callbacks
from almanac_airflow.notifiers.late import deadline_of
from almanac_airflow.policies import RETRIES, retry_args
from almanac_airflow.task_usage import open_account


def cron(expression: str) -> CronTriggerTimetable:
    """A schedule in UTC that waits for its next tick: a DAG that is new must not run for a tick before it existed.

    Airflow applies this only to a DAG without a start date.
    """
    return CronTriggerTimetable(expression, timezone="UTC", run_immediately=timedelta(0))


def make_dag(
    kind: str,
    of: Declared | Installation,
    *,
    purpose: str,
    schedule: Any,
    params: Mapping[str, Param] | None = None,
    name: str = "",
    triggered_by: str = "",
    tags: tuple[str, ...] = (),
    queue: str = "",
    retries: int = RETRIES,
    credentials: Callable[[Any], None] = load_connections,
    deadline: timedelta | None = None,
    start_date: datetime | None = None,
    catchup: bool = False,
    max_active_runs: int = 1,
) -> DAG:
    """The DAG `<kind>_<model>`, or `<kind>` of the whole installation.

    Every DAG gets owner, tags, docs, retry policy, alerts, access control, pool, queue, credentials and account here.
    One run at a time, unless said otherwise: runs of one kind would work on the same rows.

    Args:
        kind: what the DAG does.
        of: the model, or the installation, that declares the rest.
        purpose: the DAG file's own description.
        schedule: what triggers it: five fields of cron, assets, a timetable, or None for only a person.
        params: the form of a run by hand.
        name: tells several DAGs of one kind and model apart.
        triggered_by: the same as `schedule` in words; by default the rule of the pipeline of this kind.
        tags: of a DAG of the installation; a model's DAG has its kind, the model and the declared ones.
        queue: which workers take its tasks; by default as declared, or as its kind needs.
        retries: how often a failed task is retried.
        credentials: what is called before each task; see `almanac_airflow.access.credentials`.
        deadline: a run that takes longer is late; by default as declared for the pipeline.
        start_date: from which on it runs.
        catchup: whether it runs for the time between `start_date` and now.
        max_active_runs: how many runs at a time.
    """
    if isinstance(of, Declared):
        declared = next((each for each_kind, each in of.pipelines.items() if each_kind == kind), Pipeline())
        own = _of_model(of, kind, name, deadline or declared.deadline, enabled=declared.enabled)
        doc = model_docs(of, purpose, retries, triggered_by=triggered_by or _rule(of, kind))
        model_name, its_queue = of.name, HEAVY_QUEUE if kind in ("train", "forecast") else DEFAULT_QUEUE
    else:
        declared, own = Pipeline(), {"dag_id": kind, "dag_display_name": kind.replace("_", " "), "tags": [*tags]}
        doc = installation_docs(of, purpose, retries)
        model_name, its_queue = None, MAINTENANCE_QUEUE
    default_args = {
        **retry_args(retries),
        **callbacks(model_name, of.alerts),
        "owner": of.owner,
        "pre_execute": credentials,
        "pool": declared.pool,
        "priority_weight": declared.priority,
        "queue": queue or declared.queue or its_queue,
    }
    open_account(own["dag_id"], kind, model_name or "")
    with warnings.catch_warnings():
        # Airflow reads `access_control` with a module that it calls deprecated itself.
        warnings.filterwarnings("ignore", message="The airflow.security.permissions module is deprecated")
        return DAG(
            description=purpose.strip().splitlines()[0],
            doc_md=doc,
            schedule=cron(schedule) if isinstance(schedule, str) else schedule,
            params=dict(params or {}),
            access_control=access_control(kind),
            start_date=start_date,
            catchup=catchup,
            max_active_runs=max_active_runs,
            default_args=default_args,
            **own,
        )


def _of_model(
    model: Declared, kind: str, name: str, deadline: timedelta | None, *, enabled: bool | None
) -> dict[str, Any]:
    """What only the DAGs of models have, and what tells them apart."""
    return {
        "dag_id": "_".join(filter(None, [kind, model.name, name])),
        "dag_display_name": " · ".join(filter(None, [kind.replace("_", " "), model.name, name.replace("_", " ")])),
        "tags": sorted({kind, model.name, *model.tags}),
        "deadline": deadline_of(model, kind, deadline),
        "is_paused_upon_creation": not (model.enabled if enabled is None else enabled),
    }


def _rule(model: Declared, kind: str) -> str:
    """The rule that triggers a pipeline, in words; empty: the DAG is no pipeline."""
    return next((words(model, each) for each in model.pipeline_kinds if each == kind), "")
