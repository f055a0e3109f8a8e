"""Adjusts a published forecast by so many percent for a grain and a range, or takes an adjustment back.

Started by a person only. The model's own value stays beside the adjusted one; the journal has who, why and until when.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_forecasts
from almanac_airflow.params import adjustment_params
from almanac_airflow.runs import run_context
from almanac_airflow.steps import forecast as steps

HOME = Home()


def build(model: ForecastModel) -> DAG:
    """`adjust_forecast_<model>`: one task."""
    predictions = assets.predictions(model)
    params = adjustment_params()
    with make_dag("adjust_forecast", model, purpose=__doc__, schedule=None, params=params) as dag:

        @task(outlets=[predictions], doc_md="Records the adjustment and publishes the forecast with it.")
        def adjust(*, params: dict[str, Any], outlet_events: Any) -> dict[str, Any]:
            done = steps.adjust(run_context(HOME), model, params)
            outlet_events[predictions].extra = done
            return done

        adjust()
    return dag


for declared in declared_forecasts(HOME):
    globals()[f"adjust_forecast_{declared.name}"] = build(declared)
