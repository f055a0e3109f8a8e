"""Finds every pipeline that should have run and did not, starts it, and alerts.

An event is a signal: it can come before its DAG is parsed, while the DAG is paused, or together with another one. The
state that it stood for stays, and is compared here with what each pipeline has handled: dataset, champion, predictions,
windows, requests for a retrain, posted events. `_installation.yaml` says how often (`sweep`).
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.sections.pipelines import DEFAULT_QUEUE
from almanac.config.sections.triggers import EventTrigger
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_datasets, declared_installation
from almanac_airflow.runs import run_context
from almanac_airflow.steps import triggers as steps

HOME = Home()


def build(installation: Installation) -> DAG:
    """`sweep`: one task, because most of the time there is nothing to start."""
    posted = [
        assets.event(model, name)
        for model in declared_datasets(HOME)
        for name, each in sorted(model.triggers.items())
        if isinstance(each, EventTrigger)
    ]
    with make_dag(
        "sweep",
        installation,
        purpose=__doc__,
        schedule=installation.sweep,
        tags=("almanac",),
        queue=DEFAULT_QUEUE,  # it opens no database of Airflow or MLflow
    ) as dag:

        @task(
            inlets=posted,
            doc_md="Compares states with what was handled; starts what was missed. Nothing: skipped, and green.",
        )
        def start_missed(*, inlet_events: Any) -> list[str]:
            return steps.start_missed(run_context(HOME), declared_datasets(HOME), inlet_events)

        start_missed()
    return dag


build(declared_installation(HOME))
