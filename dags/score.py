"""Scores new hours with the champion's ONNX model.

A window that is scored again replaces its predictions: one row per hour and model version, however often it runs. A
person may give a range; a run that a closed window woke scores that window. Skipped while scoring is stopped.

A version in shadow scores in a DAG of its own, `shadow_<model>`: nothing of it can stop the champion.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag
from almanac_airflow.params import range_params
from almanac_airflow.schedules import schedule_of

HOME = Home()


def build(model: Model) -> DAG:
    """`score_<model>`: one task, because reading, scoring and writing share the rows."""
    predictions = assets.predictions(model)
    schedule = schedule_of(model, "score", HOME)
    with model_dag("score", model, purpose=__doc__, schedule=schedule, params=range_params()) as dag:

        @task(outlets=[predictions], doc_md="Scores window by window; skipped without a champion or new hours.")
        def score(*, params: dict[str, Any], outlet_events: Any) -> dict[str, Any]:
            from dataclasses import asdict

            from almanac.journal.journal import Journal
            from almanac.registry.store import Registry
            from almanac.scoring.pause import stopped, why_stopped
            from almanac.scoring.score import score_new_windows
            from almanac_airflow.events import require_event
            from almanac_airflow.handled import handling
            from almanac_airflow.runs import current_run, now, range_param

            if stop := stopped(Journal(HOME.journal_url), model.name):
                raise AirflowSkipException(why_stopped(stop))
            require_event(model, HOME, "score")
            since, until = range_param(model, params["since"], params["until"])
            with handling(model, HOME, "score", whole=not (params["since"] or params["until"])):
                summary = score_new_windows(
                    model, HOME, Registry.of(HOME), run=current_run(), now=now(), since=since, until=until
                )
            if not summary.rows:
                raise AirflowSkipException(summary.message)
            outlet_events[predictions].extra = asdict(summary)
            return asdict(summary)

        score()
    return dag


for declared in declared_models(HOME):
    globals()[f"score_{declared.name}"] = build(declared)
