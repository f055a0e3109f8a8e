"""Waits for new files of each region's model, scores each in a task of its own, then monitors the first of them."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, TriggerRule

from almanac_airflow.operators import IngestOperator, MonitorOperator, ScoreOperator
from almanac_airflow.sensors import NewDataSensor

REGIONS = ["weather"]  # one declared model for each region

with DAG("score_regions", schedule="@hourly", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):
    waits = NewDataSensor.partial(
        task_id="wait", deferrable=True, timeout=timedelta(minutes=50).total_seconds(), soft_fail=True
    ).expand(model=REGIONS)
    ingest = IngestOperator.partial(task_id="ingest").expand(model=REGIONS)
    score = ScoreOperator.partial(
        task_id="score", trigger_rule=TriggerRule.NONE_FAILED, max_active_tis_per_dagrun=4
    ).expand(model=REGIONS)
    waits >> ingest >> score >> MonitorOperator(task_id="monitor", model=REGIONS[0])
