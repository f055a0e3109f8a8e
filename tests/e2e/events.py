"""Events that tests post to a running Airflow."""

from collections.abc import Mapping
from typing import Any

from almanac.errors import TransientError
from almanac.services.airflow_api import AirflowClient
from tests.waiting import wait


def post_event(airflow: AirflowClient, uri: str, extra: Mapping[str, Any]) -> None:
    """Post one, again while Airflow answers that it could not take it: its SQLite was busy, and took nothing."""

    def taken() -> bool:
        try:
            airflow.emit(uri, dict(extra))
        except TransientError:
            return False
        return True

    wait(taken, f"Airflow to take an event of {uri}")
