"""Backs up a model's dataset, and its outputs: predictions, quarantine, reports.

Woken by publications and scorings, batched, and on a schedule. Published files do not change: only new ones are read.
"""

from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.backup_params import reason_params
from almanac_airflow.dags import cron, declared_models, model_dag

HOME = Home()


def build(model: Model) -> DAG:
    """`backup_data_<model>`: dataset, outputs."""
    declared = model.backup
    timetable = cron(declared.data_schedule)
    bells = assets.dataset(model) | assets.predictions(model)
    schedule = AssetOrTimeSchedule(timetable=timetable, assets=bells) if declared.after_publication else timetable
    also = "after publications and scorings, or " if declared.after_publication else ""
    with model_dag(
        "backup_data", model, purpose=__doc__, schedule=schedule, params=reason_params(),
        wakes=f"{also}at {declared.data_schedule}",
    ) as dag:  # fmt: skip

        @task
        def backup(kind: str, *, params: dict[str, Any]) -> list[dict[str, Any]]:
            from almanac.backup.tasks.run_backup import is_due, run_backup
            from almanac_airflow.handled import handled_before, handling
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run, is_swept, now

            subject, run, reason = f"{kind}/{model.name}", current_run(), params["reason"] or ""
            of = {"dataset": "dataset", "outputs": "predictions"}[kind]
            if run.trigger.startswith("asset") or is_swept():
                if words := handled_before(model, HOME, "backup_data", of).get(of):
                    raise AirflowSkipException(words)
                if not is_due(HOME, subject, at_most_every=declared.at_most_every, now=now()):
                    raise AirflowSkipException("a snapshot was taken a short time ago; the sweep takes the next one")
            with handling(model, HOME, "backup_data", of):
                taken = run_backup(HOME, [subject], run=run, given_key=backup_key(), reason=reason)
            if not taken:
                raise AirflowSkipException("nothing is there yet")
            return taken

        dataset_doc = "The table at its newest version; versions that a model was trained on stay readable in it."
        backup.override(task_id="dataset", doc_md=dataset_doc)("dataset")
        backup.override(task_id="outputs", doc_md="Predictions, quarantined rows and files, reports.")("outputs")
    return dag


for declared_model in declared_models(HOME):
    globals()[f"backup_data_{declared_model.name}"] = build(declared_model)
