"""What benchmarks do with a running Airflow: wait for its DAGs, and for the end of a run."""

import time
from collections.abc import Mapping

from almanac.services.airflow_api import AirflowClient, DagRun, Json
from almanac.services.services import Services
from demo.native.stack import NativeStack

Platform = Services | NativeStack
_DAGS_S, _RUN_S = 240.0, 900.0


def check(is_so: bool, otherwise: str) -> None:
    """End the measurement when there is nothing to measure."""
    if not is_so:
        raise SystemExit(otherwise)


def wait_for_dags(platform: Platform, *dag_ids: str) -> None:
    """Wait until Airflow knows these DAGs."""
    deadline = time.monotonic() + _DAGS_S
    with platform.airflow() as airflow:
        while not set(dag_ids) <= set(airflow.dag_ids()):
            check(time.monotonic() < deadline, str(airflow.import_problems()))
            time.sleep(0.5)


def run_to_its_end(airflow: AirflowClient, dag_id: str, conf: Mapping[str, Json]) -> DagRun:
    """Start a run by hand and wait; a run that fails ends the measurement."""
    started = airflow.trigger(dag_id, conf)
    done = airflow.wait(dag_id, started.run_id, timeout_s=_RUN_S)
    check(done.state == "success", f"{dag_id} {done.run_id}: {done.state}")
    return done
