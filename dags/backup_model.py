"""Backs up a model's versions: MLflow run, registration and every artifact, byte for byte.

Triggered by every registration and promotion, and daily. A version that is in a snapshot as it is now is not taken
twice.
"""

from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.backup_params import model_backup_params
from almanac_airflow.dags import cron, make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.runs import run_context
from almanac_airflow.steps import backup as steps

HOME = Home()


def build(model: Model) -> DAG:
    """`backup_model_<model>`: one task."""
    versions = assets.challenger(model) | assets.champion(model)
    with make_dag(
        "backup_model",
        model,
        purpose=__doc__,
        schedule=AssetOrTimeSchedule(timetable=cron(model.backup.model_schedule), assets=versions),
        triggered_by=f"when a version is registered or becomes champion, or at {model.backup.model_schedule}",
        params=model_backup_params(),
    ) as dag:

        @task(doc_md="Takes a snapshot of each version that has none as it is now; skipped when nothing is new.")
        def backup(*, params: dict[str, Any]) -> list[dict[str, Any]]:
            return steps.back_up_model(run_context(HOME), model, params)

        backup()
    return dag


for declared in declared_models(HOME):
    globals()[f"backup_model_{declared.name}"] = build(declared)
