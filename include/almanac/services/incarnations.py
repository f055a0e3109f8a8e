"""Uptime of each service, as it reports itself: a changed start time means a restart."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from almanac.config.home import Home
from almanac.journal.place import entered

_JOBS = {"SchedulerJob": "scheduler", "TriggererJob": "triggerer", "DagProcessorJob": "dag-processor"}
_PATIENCE_S = 5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Incarnation:
    """One life of a service.

    Attributes:
        name: of the service; of several at once with their host: `scheduler@host`.
        began: aware.
        regular: whether the life before it ended in good order, as far as that is known.
    """

    name: str
    began: datetime
    regular: bool = False


def incarnations(home: Home, broker_url: str, now: datetime) -> tuple[Incarnation, ...]:
    """The services that can be asked, and are there; what does not answer is left out.

    Airflow's own processes are rows of its database, PostgreSQL knows its beginning, Redis and the workers how long
    they have been up. The api-server and MLflow do not tell.

    Args:
        home: names the databases.
        broker_url: of Celery; empty: there is none.
        now: aware; ages are counted back from it.
    """
    found = [*_airflow(make_url(home.airflow_database_url)), *_postgres(entered(home.journal_url))]
    return (*found, *_celery(broker_url, now)) if broker_url else tuple(found)


def machine(now: datetime) -> Incarnation | None:
    """This machine since its boot: when that moves, the clock was set. None: not Linux.

    Args:
        now: aware, by the clock that may have been set.
    """
    if not _BOOT_ID.exists():
        return None
    age = timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))  # nobody sets it, and sleep counts
    return Incarnation(f"machine {_BOOT_ID.read_text('ascii').strip()}", now - age)


def _airflow(url: URL) -> Iterable[Incarnation]:
    query = (
        "SELECT job_type, hostname, start_date, end_date, state FROM job"
        " WHERE job_type IN ('SchedulerJob', 'TriggererJob', 'DagProcessorJob') ORDER BY start_date"
    )
    newest: dict[str, Any] = {}
    regular: dict[str, bool] = {}
    for row in _rows(url, query):
        name = f"{_JOBS[row.job_type]}@{row.hostname}"
        before = newest.get(name)
        regular[name] = before is None or (before.end_date is not None and before.state == "success")
        newest[name] = row
    return [Incarnation(name, _time(row.start_date), regular[name]) for name, row in newest.items()]


def _postgres(url: URL) -> Iterable[Incarnation]:
    if url.get_backend_name() != "postgresql":
        return []
    return [
        Incarnation("postgres", _time(row.began)) for row in _rows(url, "SELECT pg_postmaster_start_time() AS began")
    ]


def _celery(broker_url: str, now: datetime) -> Iterable[Incarnation]:
    from celery import Celery
    from kombu.exceptions import OperationalError
    from redis import Redis, RedisError

    found = []
    try:
        if broker_url.startswith("redis"):
            up_s = Redis.from_url(broker_url, socket_timeout=_PATIENCE_S).info("server")["uptime_in_seconds"]
            found.append(Incarnation("redis", now - timedelta(seconds=up_s)))
        workers = Celery(broker=broker_url).control.inspect(timeout=2).stats() or {}
    except (RedisError, OperationalError, OSError):
        return found
    ages = ((name, timedelta(seconds=float(said["uptime"]))) for name, said in sorted(workers.items()))
    return [*found, *(Incarnation(name, now - age) for name, age in ages)]


def _rows(url: URL, query: str) -> list[Any]:
    connect = {"connect_timeout": _PATIENCE_S} if url.get_backend_name() == "postgresql" else {}
    try:
        with create_engine(url, poolclass=NullPool, connect_args=connect).connect() as connection:
            return list(connection.execute(text(query)))
    except SQLAlchemyError:
        return []


def _time(found: datetime | str) -> datetime:
    moment = datetime.fromisoformat(found) if isinstance(found, str) else found
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
