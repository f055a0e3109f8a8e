"""Compares recent data with the champion's reference profile and past predictions with the labels that have arrived.

Woken by new predictions and by a timer. Writes a report page. When drift or a loss of performance lasts, it rings the
retrain request; whether a retrain is granted is decided, and written down, by the train DAG's policy.
"""

from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, task
from almanac import assets
from almanac.dags import declared_models, model_dag

from include.config.home import Home
from include.config.schema import Model

HOME = Home()


def build(model: Model) -> DAG:
    """`monitor_<model>`: watch -> request_retrain."""
    retrain_request = assets.retrain_request(model)
    schedule = AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(model.monitor.schedule, timezone="UTC"), assets=[assets.predictions(model)]
    )
    with model_dag("monitor", model, purpose=__doc__, schedule=schedule) as dag:

        @task
        def watch() -> dict[str, Any]:
            """Evaluates the newest windows, writes the report, decides whether to ask for a retrain."""
            from almanac.watching import watch

            return watch(model, HOME)

        @task(outlets=[retrain_request])
        def request_retrain(result: dict[str, Any], *, outlet_events: Any) -> None:
            """Rings the retrain request with its reasons; skipped when there is no reason."""
            from almanac.watching import request

            outlet_events[retrain_request].extra = request(result)

        request_retrain(watch())
    return dag


for declared in declared_models(HOME):
    globals()[f"monitor_{declared.name}"] = build(declared)
