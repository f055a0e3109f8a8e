"""Backs up a model's versions: MLflow run, registration and every artifact, byte for byte.

Woken by every registration and promotion, and daily. A version that is in a snapshot as it is now is not taken twice.
"""

from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.backup_params import model_backup_params
from almanac_airflow.dags import cron, declared_models, model_dag

HOME = Home()


def build(model: Model) -> DAG:
    """`backup_model_<model>`: one task."""
    bells = assets.challenger(model) | assets.champion(model)
    schedule = AssetOrTimeSchedule(timetable=cron(model.backup.model_schedule), assets=bells)
    wakes = f"when a version is registered or becomes champion, or at {model.backup.model_schedule}"
    with model_dag(
        "backup_model", model, purpose=__doc__, schedule=schedule, params=model_backup_params(), wakes=wakes
    ) as dag:

        @task(doc_md="Snapshots each version that has none as it is now; skipped when nothing is new.")
        def backup(*, params: dict[str, Any]) -> list[dict[str, Any]]:
            from almanac.backup.tasks.run_backup import run_backup
            from almanac_airflow.handled import handling
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run

            with handling(model, HOME, "backup_model", whole=not params["version"]):
                taken = run_backup(
                    HOME, [f"model/{model.name}"], run=current_run(), given_key=backup_key(),
                    version=params["version"] or "", reason=params["reason"] or "",
                )  # fmt: skip
            if not any(one["new"] for one in taken):
                raise AirflowSkipException("every version is in a snapshot as it is now")
            return taken

        backup()
    return dag


for declared in declared_models(HOME):
    globals()[f"backup_model_{declared.name}"] = build(declared)
