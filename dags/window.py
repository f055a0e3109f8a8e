"""Closes a tumbling window of event time: counts its rows and missing steps, records its state, and announces it.

One run is one window; its partition key is the window's start in UTC. Past windows are run by Airflow's own backfill,
and one window alone by a run by hand with its partition key. `./almanac windows <model>` shows all of them, with gaps.
"""

from typing import Any

from airflow.sdk import DAG, PokeReturnValue, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.pipelines import window_of_model
from almanac.config.sections.triggers import WindowTrigger
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.notifiers.alert import AlertNotifier
from almanac_airflow.notifiers.window_failure import WindowFailureNotifier
from almanac_airflow.runs import run_context
from almanac_airflow.steps import triggers as steps
from almanac_airflow.timetables import TumblingWindows

HOME = Home()
_REOPEN = "Records windows as late whose rows have changed since they closed, and announces them again."


def build(model: Model, trigger: WindowTrigger) -> DAG:
    """`window_<model>`: start -> close -> announce."""
    announced = assets.window(model)
    failed = [AlertNotifier(model.name, model.alerts), WindowFailureNotifier(model.name)]
    with make_dag(
        "window",
        model,
        purpose=__doc__,
        schedule=TumblingWindows(trigger),
        triggered_by=f"each time {trigger.words()}",
        start_date=trigger.start,
        catchup=trigger.catch_up,
        max_active_runs=trigger.max_concurrent,
    ) as dag:

        @task.sensor(
            mode="reschedule",
            poke_interval=15,
            timeout=trigger.patience.total_seconds(),
            on_failure_callback=failed,
            doc_md="Waits for the windows of the same time of the models that this one depends on.",
        )
        def start() -> PokeReturnValue:
            return steps.start_window(run_context(HOME), model)

        @task(on_failure_callback=failed, doc_md="Counts rows and missing steps; the window is done, or empty.")
        def close() -> dict[str, Any]:
            return steps.close_window(run_context(HOME), model)

        @task(outlets=[announced], doc_md="Emits the window's event, with its partition key; skipped when it is empty.")
        def announce(closed: dict[str, Any], *, outlet_events: Any) -> None:
            outlet_events[announced].extra = steps.announce_window(closed)

        closed = close()
        start() >> closed
        announce(closed)
    return dag


def build_reopen(model: Model) -> DAG:
    """`reopen_<model>`: one task; late rows and corrections change windows that had closed."""
    announced, dataset = assets.window(model), assets.dataset(model)
    with make_dag(
        "reopen", model, purpose=_REOPEN, schedule=dataset, triggered_by="when the dataset has a new version"
    ) as dag:

        @task(outlets=[announced], doc_md=f"{_REOPEN} Also those that were missed. Skipped when there is none.")
        def reopen(*, outlet_events: Any) -> list[str]:
            keys = steps.reopen_windows(run_context(HOME), model)
            outlet_events[announced].add_partitions(keys)
            return keys

        reopen()
    return dag


for declared in declared_models(HOME):
    if windows := window_of_model(declared):
        globals()[f"window_{declared.name}"] = build(declared, windows)
        globals()[f"reopen_{declared.name}"] = build_reopen(declared)
