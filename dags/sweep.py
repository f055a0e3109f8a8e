"""Finds every pipeline that should have run and did not, starts it, and tells it.

An event is a signal: it can come before its DAG is parsed, while the DAG is paused, or together with another one. What
it stood for stays, and is compared here with what each pipeline has handled: dataset, champion, predictions, windows,
requests for a retrain, posted events. `_installation.yaml` says how often (`sweep`).
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.sections.pipelines import DEFAULT_QUEUE
from almanac.config.sections.triggers import EventTrigger
from almanac_airflow import assets
from almanac_airflow.dags import declared_models
from almanac_airflow.installation import declared_installation, installation_dag

HOME = Home()


def build(installation: Installation) -> DAG:
    """`sweep`: one task, because most of the time there is nothing to start."""
    posted = [
        assets.event(model, name)
        for model in declared_models(HOME)
        for name, each in sorted(model.triggers.items())
        if isinstance(each, EventTrigger)
    ]
    with installation_dag("sweep", installation, purpose=__doc__, schedule=installation.sweep, tag="almanac") as dag:

        @task(
            inlets=posted,
            queue=DEFAULT_QUEUE,
            doc_md="Compares states with what was handled; starts what was missed. Nothing: skipped, and green.",
        )
        def start_missed(*, inlet_events: Any) -> list[str]:
            from almanac_airflow.sweeping import start_missed

            started = start_missed(declared_models(HOME), HOME, inlet_events)
            if not started:
                raise AirflowSkipException("every pipeline has handled what is there")
            return started

        start_missed()
    return dag


build(declared_installation(HOME))
