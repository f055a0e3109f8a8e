"""Scores new rows with the champion's ONNX model.

A window that is scored again replaces its predictions: one prediction per row and model version, however often it runs.
A person may give a range; a run that a closed window triggered scores that window. Skipped while scoring is stopped.

A version in shadow scores in a DAG of its own, `shadow_<model>`: nothing of it can stop the champion.
"""

from airflow.sdk import DAG

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.operators.scoring import ScoreOperator
from almanac_airflow.params import range_params
from almanac_airflow.schedules import schedule_of

HOME = Home()


def build(model: Model) -> DAG:
    """`score_<model>`: one task, because reading, scoring and writing share the rows."""
    schedule = schedule_of(model, "score", HOME)
    with make_dag("score", model, purpose=__doc__, schedule=schedule, params=range_params()) as dag:
        ScoreOperator(task_id="score", model=model.name, dataset_of=model.dataset.of, from_form=True)
    return dag


for declared in declared_models(HOME):
    globals()[f"score_{declared.name}"] = build(declared)
