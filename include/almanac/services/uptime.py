"""Uptime of each service, as it reports itself: a changed start time means a restart."""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from almanac.config.home import Home
from almanac.errors import AlmanacError
from almanac.extras import extra
from almanac.journal.location import with_login
from almanac.services.airflow_api import Job

log = logging.getLogger(__name__)

_JOBS = {"SchedulerJob": "scheduler", "TriggererJob": "triggerer", "DagProcessorJob": "dag-processor"}
_PATIENCE_S = 5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ServiceUptime:
    """One life of a service.

    Attributes:
        name: of the service; of several at once with their host: `scheduler@host`.
        began: aware.
        regular: whether the life before it ended in good order, as far as that is known.
    """

    name: str
    began: datetime
    regular: bool = False


class Jobs(Protocol):
    """Who lists Airflow's own processes."""

    def jobs(self, kind: str) -> Sequence[Job]:
        """The newest of a kind."""
        ...


def service_uptimes(home: Home, broker_url: str, jobs: Jobs | None, now: datetime) -> tuple[ServiceUptime, ...]:
    """The services that can be asked, and are there; what does not answer is left out.

    Airflow's api-server lists its processes, PostgreSQL knows its beginning, Redis and the workers how long
    they have been up. The api-server and MLflow do not tell.

    Args:
        home: names the databases.
        broker_url: of Celery; empty: there is none.
        jobs: lists Airflow's processes; None: nobody can be asked.
        now: aware; ages are counted back from it.
    """
    found = [*_airflow(jobs), *_postgres(with_login(home.journal_url))]
    return (*found, *_celery(broker_url, now)) if broker_url else tuple(found)


def machine(now: datetime) -> ServiceUptime | None:
    """This machine since its boot: when that moves, the clock was set. None: not Linux.

    Args:
        now: aware, by the clock that may have been set.
    """
    if not _BOOT_ID.exists():
        return None
    age = timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))  # nobody sets it, and sleep counts
    return ServiceUptime(f"machine {_BOOT_ID.read_text('ascii').strip()}", now - age)


def _airflow(jobs: Jobs | None) -> Iterable[ServiceUptime]:
    newest: dict[str, Job] = {}
    regular: dict[str, bool] = {}
    try:
        found = [job for kind in _JOBS for job in jobs.jobs(kind)] if jobs else []
    except AlmanacError as error:
        log.warning("whether a service of Airflow was started again is not known: %s", error)
        return []
    for job in sorted(found, key=lambda job: job.began):
        name = f"{_JOBS[job.kind]}@{job.host}"
        before = newest.get(name)
        regular[name] = before is None or before.ended_well
        newest[name] = job
    return [ServiceUptime(name, job.began, regular[name]) for name, job in newest.items()]


def _postgres(url: URL) -> Iterable[ServiceUptime]:
    if url.get_backend_name() != "postgresql":
        return []
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": _PATIENCE_S})
    try:
        with engine.connect() as connection:
            return [
                ServiceUptime("postgres", connection.execute(text("SELECT pg_postmaster_start_time()")).scalar_one())
            ]
    except SQLAlchemyError:
        return []


def _celery(broker_url: str, now: datetime) -> Iterable[ServiceUptime]:
    with extra("celery", "Celery's broker"):
        from celery import Celery
        from kombu.exceptions import OperationalError
        from redis import Redis, RedisError

    found = []
    try:
        if broker_url.startswith("redis"):
            up_s = Redis.from_url(broker_url, socket_timeout=_PATIENCE_S).info("server")["uptime_in_seconds"]
            found.append(ServiceUptime("redis", now - timedelta(seconds=up_s)))
        workers = Celery(broker=broker_url).control.inspect(timeout=2).stats() or {}
    except (RedisError, OperationalError, OSError):
        return found
    ages = ((name, timedelta(seconds=float(stats["uptime"]))) for name, stats in sorted(workers.items()))
    return [*found, *(ServiceUptime(name, now - age) for name, age in ages)]
