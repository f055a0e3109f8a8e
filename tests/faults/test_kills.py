"""`kill -9` of real processes, again and again: whatever dies where, each row is there once, and the event has rung."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import psutil
import pytest

from almanac.services.services import Services
from almanac.services.supervision.leftovers import processes_of
from tests.faults.landing_stores import POINTS, Quay, check_heard, events_of, wait_until_ended
from tests.waiting import wait

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_KILLS = 20  # at each point


def _settle(services: Services, quays: tuple[Quay, ...]) -> None:
    """Wait until all that has landed is done, and look at all of it."""
    with services.airflow() as airflow:
        for quay in quays:
            wait(quay.published, f"{quay.name} to be published", 300)
            wait_until_ended(airflow, quay.name)
            quay.check()
            quay.check_rung(airflow)
        check_heard(airflow, quays[0].name)


def test_task_killed_twenty_times_at_each_point_loses_and_doubles_nothing(
    services: Services, quays: tuple[Quay, ...]
) -> None:
    """Each fourth time the worker dies with its task, so that nobody is left who saw it: its heartbeat is missed."""

    def suffer(quay: Quay, rounds: range) -> None:
        for each, point in product(rounds, POINTS):
            quay.land_and_kill(point, with_worker=each % 4 == POINTS.index(point))

    share = _KILLS // len(quays)
    with ThreadPoolExecutor(len(quays)) as pool:
        list(pool.map(suffer, quays, [range(share)] * len(quays)))
    _settle(services, quays)
    assert sum(len(quay.landed) for quay in quays) == _KILLS * len(POINTS)


def test_task_taken_for_dead_comes_back_beside_its_successor_and_doubles_nothing(
    services: Services, quays: tuple[Quay, ...]
) -> None:
    """Its worker dies; it sleeps through its own second try, and then goes on where it was, unless it was ended too."""
    quay = quays[0]
    landed = quay.land(stop_at="validated")
    sleeper = quay.stopped("validated", landed)
    worker = sleeper.parent()
    assert worker is not None
    worker.kill()
    wait(quay.published, "the second try")
    if sleeper.is_running():  # seen ended before its successor had done: anyone who ends it leaves nothing to trigger
        sleeper.resume()
        sleeper.wait(60)
    _settle(services, quays)


def test_run_that_fails_for_good_emits_for_what_it_published_before(
    services: Services, quays: tuple[Quay, ...]
) -> None:
    """Of two files that one run takes, each of its four tries dies at the second; the next run takes that."""
    quay = quays[0]
    quay.land()
    second = quay.land(stop_at="claimed")
    with services.airflow() as airflow:
        before = len(events_of(airflow, quay.name))
        for again in (True, True, True, False):
            quay.stopped("claimed", second, again=again).kill()
        wait(lambda: len(events_of(airflow, quay.name)) > before, "the event for the first")
        assert events_of(airflow, quay.name)[before]["extra"]["published_batches"] == 1
        wait(quay.published, "the next run")
        (failed,) = [run for run in airflow.runs(f"ingest_{quay.name}") if run.state == "failed"]
        airflow.call("DELETE", f"/dags/{failed.dag_id}/dagRuns/{failed.run_id}")  # the others expect none
    _settle(services, quays)


@pytest.mark.parametrize("name", ["scheduler", "triggerer"])
def test_service_killed_while_files_land_loses_nothing(services: Services, quays: tuple[Quay, ...], name: str) -> None:
    stopped = [quay.land(stop_at="validated") for quay in quays[:2]]
    victims = [quay.stopped("validated", one) for quay, one in zip(quays, stopped, strict=False)]
    (service,) = [each for each in services.status() if each.name == name]
    psutil.Process(service.pid).kill()
    for victim in victims:
        victim.resume()
    for quay in quays:
        quay.land()
    _settle(services, quays)
    (again,) = [each for each in services.status() if each.name == name]
    assert again.pid != service.pid


def test_installation_killed_whole_goes_on_where_it_was(services: Services, quays: tuple[Quay, ...]) -> None:
    """The machine goes down: every process at once, some of them in the middle of a batch."""
    for quay, point in zip(quays, POINTS, strict=False):
        quay.stopped(point, quay.land(stop_at=point))
    _kill_all(services)
    for quay in quays:
        quay.land()
    assert services.up(with_parent=True)
    _settle(services, quays)


def _kill_all(services: Services) -> None:
    deadline = time.monotonic() + 60
    while alive := _by_age(processes_of(services.home.home)):
        assert time.monotonic() < deadline
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=5)


def _by_age(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Supervisord first: it would start the others again."""
    return sorted(processes, key=lambda process: process.create_time())
