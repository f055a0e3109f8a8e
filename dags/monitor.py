"""Compares recent data with the champion's reference profile and past predictions with the labels that have arrived.

Writes a report page. When drift or a loss of performance lasts, it rings the
retrain request; whether a retrain is granted is decided, and written down, by the train DAG's policy.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException
from almanac import assets
from almanac.dags import declared_models, model_dag
from almanac.schedules import schedule_of

from include.config.home import Home
from include.config.schema import Model

HOME = Home()


def build(model: Model) -> DAG:
    """`monitor_<model>`: watch -> request_retrain."""
    retrain_request = assets.retrain_request(model)
    with model_dag("monitor", model, purpose=__doc__, schedule=schedule_of(model, "monitor", HOME)) as dag:

        @task(doc_md="Evaluates the newest windows, writes the report, decides whether to ask for a retrain.")
        def watch() -> dict[str, Any]:
            from almanac.runs import current_run, now

            from include.journal.journal import Journal
            from include.monitoring.monitor import monitor
            from include.registry.store import Registry

            journal = Journal(HOME.journal_url)
            return monitor(model, HOME, journal, Registry.of(HOME), run=current_run(), now=now()).summary()

        @task(outlets=[retrain_request], doc_md="Rings the retrain request with its reasons; skipped without one.")
        def request_retrain(result: dict[str, Any], *, outlet_events: Any) -> None:
            if not result["retrain_requested"]:
                raise AirflowSkipException(result["reason"])
            outlet_events[retrain_request].extra = result

        request_retrain(watch())
    return dag


for declared in declared_models(HOME):
    globals()[f"monitor_{declared.name}"] = build(declared)
