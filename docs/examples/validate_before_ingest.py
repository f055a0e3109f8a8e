"""A team's own extraction; what it has written is checked before it lands, then ingested."""

from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac_airflow.operators import IngestOperator, ValidateOperator

EXTRACTED = "/var/lib/port/extracted/weather_{{ ds_nodash }}.csv"

with DAG("port_extraction", schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):

    @task
    def extract(path: str) -> str:
        """Stands for the team's own code: it writes one file, whole, and returns its path."""
        return path

    @task
    def deliver(verdict: dict) -> None:
        """Move the file into the landing area; the name is new each day."""
        source = Path(verdict["uri"])
        source.rename(Path(Home().landing_of("weather")) / source.name)

    checked = ValidateOperator(
        task_id="validate",
        model="weather",
        uri=extract(EXTRACTED),
        against_dataset=True,
        quarantine_to="/var/lib/port/refused",
    )
    deliver(checked.output) >> IngestOperator(task_id="ingest", model="weather")
