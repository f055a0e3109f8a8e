"""Checks repaired rows, or a rejected file, again and publishes them once.

Started by a person, with parameters. What still breaks a rule stays in quarantine and turns `report_refusals` red,
after everything else was published. Another run with the same rows changes nothing.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_owners
from almanac_airflow.params import readmission_params
from almanac_airflow.runs import run_context
from almanac_airflow.steps import ingest as steps

HOME = Home()


def build(model: Declared) -> DAG:
    """`readmit_<model>`: readmit -> announce, report_refusals."""
    dataset = assets.dataset(model)
    with make_dag("readmit", model, purpose=__doc__, schedule=None, params=readmission_params()) as dag:

        @task(doc_md="Checks the rows, or the file, again; publishes valid rows in one commit; records who and why.")
        def readmit(*, params: dict[str, Any]) -> dict[str, Any]:
            return steps.readmit(run_context(HOME), model, params)

        @task(outlets=[dataset], doc_md="Emits the dataset's event; skipped when nothing was published.")
        def announce(summary: dict[str, Any], *, outlet_events: Any) -> None:
            outlet_events[dataset].extra = steps.announce_readmission(summary)

        @task(doc_md="Fails, and so alerts, when anything was refused; says which rules are still broken.")
        def report_refusals(summary: dict[str, Any]) -> None:
            steps.report_refusals(model, summary)

        summary = readmit()
        announce(summary)
        report_refusals(summary)
    return dag


for declared in declared_owners(HOME):
    globals()[f"readmit_{declared.name}"] = build(declared)
