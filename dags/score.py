"""Scores new rows with the champion's ONNX model.

A window that is scored again replaces its predictions: one prediction per row and model version, however often it runs.
A person may give a range; a run that a closed window triggered scores that window. Skipped while scoring is stopped.

A version in shadow scores in a DAG of its own, `shadow_<model>`: nothing of it can stop the champion.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.params import range_params
from almanac_airflow.runs import run_context
from almanac_airflow.schedules import schedule_of
from almanac_airflow.steps import scoring as steps

HOME = Home()


def build(model: Model) -> DAG:
    """`score_<model>`: one task, because reading, scoring and writing share the rows."""
    predictions, schedule = assets.predictions(model), schedule_of(model, "score", HOME)
    with make_dag("score", model, purpose=__doc__, schedule=schedule, params=range_params()) as dag:

        @task(outlets=[predictions], doc_md="Scores window by window; skipped without a champion or new rows.")
        def score(*, params: dict[str, Any], outlet_events: Any) -> dict[str, Any]:
            summary = steps.score(run_context(HOME), model, params)
            outlet_events[predictions].extra = summary
            return summary

        score()
    return dag


for declared in declared_models(HOME):
    globals()[f"score_{declared.name}"] = build(declared)
