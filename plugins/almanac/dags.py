"""What all DAGs of a model have in common."""

import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param

from almanac.docs import dag_docs
from almanac.notifiers.alert import AlertNotifier
from almanac.policies import DEFAULT_ARGS, RETRIES
from include.config.home import Home
from include.config.loader import load_models
from include.config.schema import Model


def cron(expression: str) -> CronTriggerTimetable:
    """A schedule in UTC that waits for its next tick: a DAG that is new must not run for a tick before it existed.

    Only a DAG without a start date heeds this.
    """
    return CronTriggerTimetable(expression, timezone="UTC", run_immediately=timedelta(0))


def declared_models(home: Home) -> tuple[Model, ...]:
    """The models whose YAML could be read. A broken one becomes a warning, which Airflow shows as an import warning."""
    loaded = load_models(home.models)
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
) -> DAG:
    """The DAG `<kind>_<model>`, filled in as every DAG of Almanac is: owner, tags, docs, retries, alerts.

    One run at a time: runs of one kind would otherwise work on the same rows.
    """
    alert = AlertNotifier(model.name, model.alerts)
    return DAG(
        dag_id=f"{kind}_{model.name}",
        dag_display_name=f"{kind.replace('_', ' ')} · {model.name}",
        description=f"{purpose.strip().splitlines()[0]}",
        doc_md=dag_docs(model, purpose, RETRIES),
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=not model.enabled,
        tags=sorted({kind, model.name, *model.tags}),
        params=dict(params or {}),
        default_args={**DEFAULT_ARGS, "owner": model.owner, "on_failure_callback": alert},
    )
