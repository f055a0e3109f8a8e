"""Puts repaired rows, or a rejected file, through the same checks again and publishes them once.

Started by a person, with parameters. What still breaks a rule stays in quarantine and turns `report_refusals` red,
after everything else was published. Starting it again with the same rows changes nothing.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag
from almanac_airflow.params import readmission_params

HOME = Home()


def build(model: Model) -> DAG:
    """`readmit_<model>`: readmit -> announce, report_refusals."""
    dataset = assets.dataset(model)
    with model_dag("readmit", model, purpose=__doc__, schedule=None, params=readmission_params()) as dag:

        @task(doc_md="Checks the rows, or the file, again; what is good is one commit; who and why go to the journal.")
        def readmit(*, params: dict[str, Any]) -> dict[str, Any]:
            from almanac.data.quarantine.readmit_by_form import readmit_by_form
            from almanac.journal.journal import Journal
            from almanac_airflow.runs import current_run, now

            return readmit_by_form(model, HOME, Journal(HOME.journal_url), params, current_run(), now)

        @task(outlets=[dataset], doc_md="Rings the dataset's bell; skipped when nothing was published.")
        def announce(summary: dict[str, Any], *, outlet_events: Any) -> None:
            if summary["dataset_version"] is None:
                raise AirflowSkipException("nothing was published")
            outlet_events[dataset].extra = summary

        @task(doc_md="Fails, and so alerts, when anything was refused; says which rules are still broken.")
        def report_refusals(summary: dict[str, Any]) -> None:
            from almanac.data.quarantine.readmit_by_form import raise_refusals

            raise_refusals(model, summary["refusals"])

        summary = readmit()
        announce(summary)
        report_refusals(summary)
    return dag


for declared in declared_models(HOME):
    globals()[f"readmit_{declared.name}"] = build(declared)
