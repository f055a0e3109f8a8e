"""What all DAGs of a model have in common."""

import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_parsing_context

from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.pipelines import DEFAULT_QUEUE, HEAVY_QUEUE, KINDS, Pipeline, words
from almanac_airflow.access.access import access_control
from almanac_airflow.docs import dag_docs
from almanac_airflow.notifiers.alert import callbacks
from almanac_airflow.notifiers.late import deadline_of
from almanac_airflow.policies import DEFAULT_ARGS, RETRIES


def cron(expression: str) -> CronTriggerTimetable:
    """A schedule in UTC that waits for its next tick: a DAG that is new must not run for a tick before it existed.

    Only a DAG without a start date heeds this.
    """
    return CronTriggerTimetable(expression, timezone="UTC", run_immediately=timedelta(0))


def declared_models(home: Home) -> tuple[Model, ...]:
    """The models whose YAML could be read. A broken one becomes a warning, which Airflow shows as an import warning.

    A task that begins parses its file for one DAG: then only that DAG's model, or a task would cost more with every
    model that a team adds.
    """
    loaded = load_models(home.models, of_dag=get_parsing_context().dag_id or "")
    for problem in loaded.problems:
        warnings.warn(problem, UserWarning, stacklevel=2)
    return loaded.models


def model_dag(
    kind: str,
    model: Model,
    *,
    purpose: str,
    schedule: Any,
    params: Mapping[str, Param] | None = None,
    name: str = "",
    wakes: str = "",
    **more: Any,
) -> DAG:
    """The DAG `<kind>_<model>`, filled in as every DAG of Almanac is: owner, tags, docs, retries, alerts.

    One run at a time: runs of one kind would otherwise work on the same rows.

    Args:
        kind: what the DAG does.
        model: for whom.
        purpose: the DAG file's own description.
        schedule: what wakes it.
        params: the form of a run by hand.
        name: tells several DAGs of one kind and model apart.
        wakes: the effective rule in words; by default that of the pipeline of this kind.
        more: anything else that Airflow's DAG takes; it wins.
    """
    declared = next((each for name, each in model.pipelines.items() if name == kind), Pipeline())
    wakes = wakes or next((words(model, each) for each in KINDS if each == kind), "")
    default_args = {
        **DEFAULT_ARGS,
        "owner": model.owner,
        **callbacks(model.name, model.alerts),
        "pool": declared.pool,
        "priority_weight": declared.priority,
        "queue": declared.queue or (HEAVY_QUEUE if kind == "train" else DEFAULT_QUEUE),
    }
    settings: dict[str, Any] = {
        "catchup": False,
        "max_active_runs": 1,
        "access_control": access_control(kind),
        "deadline": deadline_of(model, kind, declared.deadline),
        "is_paused_upon_creation": not (model.enabled if declared.enabled is None else declared.enabled),
        **more,
    }
    with warnings.catch_warnings():
        # Airflow reads `access_control` with a module that it calls deprecated itself.
        warnings.filterwarnings("ignore", message="The airflow.security.permissions module is deprecated")
        return DAG(
            dag_id="_".join(filter(None, [kind, model.name, name])),
            dag_display_name=" · ".join(filter(None, [kind.replace("_", " "), model.name, name.replace("_", " ")])),
            description=f"{purpose.strip().splitlines()[0]}",
            doc_md=dag_docs(model, purpose, RETRIES, wakes=wakes),
            schedule=schedule,
            tags=sorted({kind, model.name, *model.tags}),
            params=dict(params or {}),
            default_args=default_args,
            **settings,
        )
