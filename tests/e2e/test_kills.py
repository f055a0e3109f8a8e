"""Real processes are killed while they ingest; Airflow tries again, and nothing is lost or doubled.

Twenty kills at each point, and of whole services: tests/faults.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from almanac.services.services import Services
from tests.faults.landing_stores import POINTS, Quay, check_heard, wait_until_ended
from tests.waiting import wait

pytestmark = pytest.mark.e2e


def test_ingest_killed_at_each_point_publishes_once_and_emits(services: Services, quays: tuple[Quay, ...]) -> None:
    with services.airflow() as airflow:
        wait(lambda: {f"ingest_{quay.name}" for quay in quays} <= set(airflow.dag_ids()), "the DAGs")
        with ThreadPoolExecutor(len(quays)) as pool:
            list(pool.map(Quay.land_and_kill, quays, POINTS))
        for quay in quays:
            wait(quay.published, f"{quay.name} to be published")
            wait_until_ended(airflow, quay.name)
            quay.check()
            quay.check_rung(airflow)
        check_heard(airflow, quays[0].name)
