"""Backs up a model's dataset, and its outputs: predictions, quarantine, reports. A shared dataset is its owner's.

Triggered by publications and scorings, at most once in a while, and by a schedule. Published files do not change: only
new ones are read.
"""

from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, task

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac_airflow import assets
from almanac_airflow.backup_params import reason_params
from almanac_airflow.dags import cron, make_dag
from almanac_airflow.declarations import declared_datasets
from almanac_airflow.runs import run_context
from almanac_airflow.steps import backup as steps

HOME = Home()


def build(model: Declared) -> DAG:
    """`backup_data_<model>`: dataset, outputs; only outputs, where the dataset is another model's."""
    declared = model.backup
    timetable = cron(declared.data_schedule)
    written = assets.dataset(model) | assets.predictions(model) if model.is_owner else assets.predictions(model)
    schedule = AssetOrTimeSchedule(timetable=timetable, assets=written) if declared.after_publication else timetable
    what = "publications and scorings" if model.is_owner else "scorings"
    also = f"after {what}, or " if declared.after_publication else ""
    with make_dag(
        "backup_data",
        model,
        purpose=__doc__,
        schedule=schedule,
        params=reason_params(),
        triggered_by=f"{also}at {declared.data_schedule}",
    ) as dag:

        @task
        def backup(subject: str, *, params: dict[str, Any]) -> list[dict[str, Any]]:
            return steps.back_up_data(run_context(HOME), model, subject, params, at_most_every=declared.at_most_every)

        dataset_doc = "The table at its newest version; versions that a model was trained on stay readable in it."
        if model.is_owner:
            backup.override(task_id="dataset", doc_md=dataset_doc)("dataset")
        backup.override(task_id="outputs", doc_md="Predictions, quarantined rows and files, reports.")("outputs")
    return dag


for declared_model in declared_datasets(HOME):
    globals()[f"backup_data_{declared_model.name}"] = build(declared_model)
