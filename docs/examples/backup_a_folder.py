"""Backs up a folder of which Almanac knows nothing after each run of a team's DAG, and proves that it comes back."""

from datetime import UTC, datetime

from airflow.sdk import DAG, Asset, task

from almanac_airflow.operators import BackupOperator, RestoreDrillOperator

FOLDER = "/srv/port/schedules"
SCHEDULES = Asset("port_schedules")

with DAG("port_schedules", schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):

    @task(outlets=[SCHEDULES])
    def write_schedules() -> None:
        """Stands for the team's own work."""

    write_schedules()

with DAG("port_schedules_backup", schedule=[SCHEDULES], start_date=datetime(2026, 1, 1, tzinfo=UTC)):
    BackupOperator(
        task_id="backup", folders={"schedules": FOLDER}, reason="after {{ dag_run.run_id }}"
    ) >> RestoreDrillOperator(task_id="drill", subjects="folder/schedules", place="first", retries=0)
