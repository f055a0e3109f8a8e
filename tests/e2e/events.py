"""What tests post to a running Airflow."""

from collections.abc import Callable, Mapping
from typing import Any

from almanac.errors import TransientError
from almanac.services.airflow_api import AirflowClient
from tests.waiting import wait


def post_event(airflow: AirflowClient, uri: str, extra: Mapping[str, Any]) -> None:
    """Post one, again while Airflow answers that it could not take it: its SQLite was busy, and took nothing."""

    def taken() -> bool:
        airflow.emit(uri, dict(extra))
        return True

    wait(taken, f"Airflow to take an event of {uri}")


def post_once(airflow: AirflowClient, path: str, body: Any, made: Callable[[], object]) -> None:
    """Post what makes something, again while Airflow fails and has not `made` it: its SQLite was busy."""

    def taken() -> bool:
        try:
            airflow.call("POST", path, body=body)
        except TransientError:
            return bool(made())
        return True

    wait(taken, f"Airflow to take what is posted to {path}")
