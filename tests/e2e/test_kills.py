"""A real process is killed while it ingests; Airflow tries again, and nothing is lost or doubled.

Twenty kills at each point, and of whole services: tests/faults.
"""

import pytest

from almanac.services.services import Services
from tests.faults.landing_stores import Quay, check_heard, wait_until_ended
from tests.waiting import wait

pytestmark = pytest.mark.e2e


def test_ingest_killed_after_its_commit_publishes_once_and_emits(services: Services, quay: Quay) -> None:
    with services.airflow() as airflow:
        wait(lambda: f"ingest_{quay.name}" in airflow.dag_ids(), "the DAG")
        quay.land_and_kill("committed")
        wait(quay.published, f"{quay.name} to be published")
        wait_until_ended(airflow, quay.name)
        quay.check()
        quay.check_rung(airflow)
        check_heard(airflow, quay.name)
