"""Closes a tumbling window of event time: counts its rows and missing steps, writes its state down, and announces it.

One run is one window; its partition key is the window's start in UTC. Past windows are run by Airflow's own backfill,
and one window alone by a run by hand with its partition key. `./almanac windows <model>` shows all of them, with gaps.
"""

from typing import Any

from airflow.sdk import DAG, PokeReturnValue, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.pipelines import window_of_model
from almanac.config.sections.triggers import WindowTrigger
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag
from almanac_airflow.notifiers.alert import AlertNotifier
from almanac_airflow.notifiers.window_failure import WindowFailureNotifier
from almanac_airflow.timetables import TumblingWindows

HOME = Home()
_REOPEN = "Writes windows down as late whose rows have changed since they closed, and announces them once more."


def build(model: Model, trigger: WindowTrigger) -> DAG:
    """`window_<model>`: start -> close -> announce."""
    announced = assets.window(model)
    failed = [AlertNotifier(model.name, model.alerts), WindowFailureNotifier(model.name)]
    with model_dag(
        "window", model, purpose=__doc__, schedule=TumblingWindows(trigger), wakes=f"each time {trigger.words()}",
        start_date=trigger.start, catchup=trigger.catch_up, max_active_runs=trigger.max_concurrent,
    ) as dag:  # fmt: skip

        @task.sensor(
            mode="reschedule", poke_interval=15, timeout=trigger.patience.total_seconds(), on_failure_callback=failed,
            doc_md="Waits for the windows of the same time of the models that this one depends on.",
        )  # fmt: skip
        def start() -> PokeReturnValue:
            from almanac.journal.journal import Journal
            from almanac.windows.closing import start_window, window_of_run
            from almanac_airflow.runs import current_run, now, partition_key

            window = window_of_run(model, partition_key())
            waits_for = start_window(
                model, HOME, Journal(HOME.journal_url), window, run=current_run(), now=now()
            )  # fmt: skip
            return PokeReturnValue(is_done=not waits_for, xcom_value=str(window))

        @task(on_failure_callback=failed, doc_md="Counts rows and missing steps; the window is done, or empty.")
        def close() -> dict[str, Any]:
            from almanac.journal.journal import Journal
            from almanac.windows.closing import close_window, window_of_run
            from almanac_airflow.runs import current_run, now, partition_key

            window = window_of_run(model, partition_key())
            closed = close_window(model, HOME, Journal(HOME.journal_url), window, run=current_run(), now=now())
            return {"state": closed.state.value, "rows": closed.rows, "missing_steps": closed.missing_steps}

        @task(outlets=[announced], doc_md="Rings for the window, with its partition key; skipped when it is empty.")
        def announce(closed: dict[str, Any], *, outlet_events: Any) -> None:
            if not closed["rows"]:
                raise AirflowSkipException("skipped: no new data; no row lies in this window")
            outlet_events[announced].extra = closed

        closed = close()
        start() >> closed
        announce(closed)
    return dag


def build_reopen(model: Model) -> DAG:
    """`reopen_<model>`: one task; late rows and corrections change windows that had closed."""
    announced = assets.window(model)
    with model_dag(
        "reopen", model, purpose=_REOPEN, schedule=assets.dataset(model), wakes="when the dataset has a new version"
    ) as dag:

        @task(outlets=[announced], doc_md=f"{_REOPEN} Also those that were missed. Skipped when there is none.")
        def reopen(*, outlet_events: Any) -> list[str]:
            from almanac.events.handled import windows_missed
            from almanac.journal.journal import Journal
            from almanac.windows.closing import reopen_windows
            from almanac.windows.tumbling import key_of
            from almanac.windows.window import Window
            from almanac_airflow.handled import handling
            from almanac_airflow.runs import current_run, is_swept, now

            journal = Journal(HOME.journal_url)
            with handling(model, HOME, "reopen"):
                found = reopen_windows(model, HOME, journal, run=current_run(), now=now())
            found += windows_missed(journal, model) if is_swept() else []
            if not found:
                raise AirflowSkipException("skipped: no new data; no closed window has changed")
            keys = sorted({key_of(Window(each.window_start, each.window_end)) for each in found})
            outlet_events[announced].add_partitions(keys)
            return keys

        reopen()
    return dag


for declared in declared_models(HOME):
    if windows := window_of_model(declared):
        globals()[f"window_{declared.name}"] = build(declared, windows)
        globals()[f"reopen_{declared.name}"] = build_reopen(declared)
