"""Ingests landed files into the dataset: every valid row exactly once, every invalid row into quarantine.

The event that triggers a run is only a signal: each run lists the landing area itself. A rejected file turns
`report_rejections` red, after everything else was published.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac_airflow import assets
from almanac_airflow.branching import start_only
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_owners
from almanac_airflow.operators.data import FetchOperator
from almanac_airflow.params import ingest_params
from almanac_airflow.runs import run_context
from almanac_airflow.schedules import schedule_of
from almanac_airflow.steps import ingest as steps

HOME = Home()


def build(model: Declared) -> DAG:
    """`ingest_<model>`: (fetch, of http and sql ->) find_batches -> ingest_batches -> announce, report_rejections."""
    dataset, schedule = assets.dataset(model), schedule_of(model, "ingest", HOME)
    with make_dag("ingest", model, purpose=__doc__, schedule=schedule, params=ingest_params()) as dag:

        @task(
            inlets=[dataset],
            doc_md="Lists the landing area: settled files that were not ingested yet. None: skipped, and green.",
        )
        def find_batches(*, params: dict[str, Any], inlet_events: Any) -> list[dict[str, Any]]:
            return steps.find_batches(run_context(HOME), model, params, inlet_events[dataset])

        @task(doc_md="Checks, validates, quarantines and publishes, with one Delta commit for each batch.")
        def ingest_batches(files: list[dict[str, Any]]) -> dict[str, Any]:
            summary = steps.ingest_batches(run_context(HOME), model, files)
            reporting = ("report_rejections",)
            return start_only(model, reporting if summary["rejected"] else (), reporting, summary)

        @task(
            inlets=[dataset],
            outlets=[dataset],
            trigger_rule="none_skipped",
            doc_md="Emits one event of the dataset for all publications that none has announced yet, also those of a"
            " failed or killed run; skipped when there are none.",
        )
        def announce(*, inlet_events: Any, outlet_events: Any) -> None:
            outlet_events[dataset].extra = steps.announce(run_context(HOME), model, inlet_events[dataset])

        @task(doc_md="Fails, and so alerts, when a file was rejected; says why and what to do. Skipped otherwise.")
        def report_rejections(summary: dict[str, Any]) -> None:
            steps.report_rejections(model, summary)

        found = find_batches()
        if model.source.kind != "files":
            FetchOperator(task_id="fetch", model=model.name, from_form=True) >> found
        summary = ingest_batches(found)
        summary >> announce()
        report_rejections(summary)
    return dag


for declared in declared_owners(HOME):
    globals()[f"ingest_{declared.name}"] = build(declared)
