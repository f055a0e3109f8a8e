"""Checks yesterday's rows of a warehouse table each night, and tells somebody when they break a rule."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, task

from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac_airflow.notifiers.alert import callbacks
from almanac_airflow.operators import ValidateOperator

ALERTS = find_model(Home().models, "weather").alerts

with DAG(
    "warehouse_check",
    schedule="30 1 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), **callbacks("weather", ALERTS)},
):
    checked = ValidateOperator(
        task_id="validate",
        model="weather",
        uri="s3://warehouse/weather_hours",
        since="{{ data_interval_start }}",
        until="{{ data_interval_end }}",
        max_bad_share=0.0,
    )

    @task
    def load(verdict: dict) -> None:
        """Stands for what follows only when every row is good."""
        print(f"{verdict['good_rows']} rows, version {verdict['version']}")

    load(checked.output)
