"""Signs of life, each asked of the service itself, so that one that hangs makes no other look hung.

Scheduler, triggerer and dag-processor write their heartbeats into Airflow's database; they are read there, because the
api-server, which shows them to anyone, may be what hangs. Of the standard library alone, with the driver of the
database: watchers and health checks are many, and always there.
"""

import http.client
import socket
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from almanac.config.location import read_only, sqlite_path
from almanac.errors import ConfigError
from almanac.extras import extra

JOBS = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob", "dag-processor": "DagProcessorJob"}
PATHS = {"api-server": "/api/v2/monitor/health", "mlflow": "/health"}
ANSWER_S = 4.0
_QUERY = (
    "SELECT job_type, max(latest_heartbeat) FROM job"
    " WHERE job_type IN ('SchedulerJob', 'TriggererJob', 'DagProcessorJob') AND {own} GROUP BY job_type"
)


@dataclass(frozen=True)
class Unanswered:
    """Why nobody could be asked."""

    why: str


def heartbeats(url: str, host: str, timeout_s: float = ANSWER_S) -> Mapping[str, datetime] | Unanswered:
    """The newest heartbeats of the services on a host, by service; a service that never wrote one is missing.

    Args:
        url: of Airflow's database, as SQLAlchemy takes it.
        host: as Airflow knows it; its domain may be missing.
        timeout_s: how long the database may take.
    """
    try:
        rows = _sqlite(url, host, timeout_s) if url.startswith("sqlite") else _postgres(url, host, timeout_s)
    except Exception as error:  # noqa: BLE001 - drivers of two databases
        return Unanswered(f"Airflow's database: {str(error).strip() or type(error).__name__}")
    names = {job: name for name, job in JOBS.items()}
    return {names[job]: _time(beat) for job, beat in rows if beat is not None}


def answers(url: str, timeout_s: float = ANSWER_S) -> bool:
    """Whether a server answers, whatever it says; a proxy is never asked."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_s)) as connection:
        try:
            connection.request("GET", parts.path)
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
    return True


def worker_responds(broker_url: str, name: str) -> bool | Unanswered:
    """Whether a Celery worker answers, which it does while its tasks keep all its slots.

    Args:
        broker_url: of Celery.
        name: of the worker, `celery@host`.
    """
    with extra("celery", "a guarded Celery worker"):
        from celery import Celery

    patient = {"socket_timeout": ANSWER_S, "socket_connect_timeout": ANSWER_S, "max_retries": 0}
    client = Celery(broker=broker_url)
    client.conf.update(broker_transport_options=patient, broker_connection_max_retries=0, broker_connection_retry=False)
    try:
        with closing(client):
            return bool(client.control.ping(destination=[name], timeout=ANSWER_S))
    except Exception as error:  # noqa: BLE001 - of any broker
        return Unanswered(f"the broker: {error!r}")


def _sqlite(url: str, host: str, timeout_s: float) -> list[Any]:
    path = sqlite_path(url)
    if path is None:
        raise ConfigError("got a SQLite database without a file; expected sqlite:////path")
    with closing(sqlite3.connect(read_only(path), uri=True, timeout=timeout_s)) as connection:
        return connection.execute(_QUERY.format(own=_own("?")), (host, f"{host}.%")).fetchall()


def _postgres(url: str, host: str, timeout_s: float) -> list[Any]:
    import psycopg2

    scheme, _, rest = url.partition("://")
    plain = f"{scheme.partition('+')[0]}://{rest}"
    # Whatever happens on the other side: the second limit is the server's own, the third this machine's.
    limits = {"connect_timeout": max(2, int(timeout_s)), "tcp_user_timeout": int(timeout_s * 1000)}
    with closing(psycopg2.connect(plain, **limits)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {int(timeout_s * 1000)}")
        cursor.execute(_QUERY.format(own=_own("%s")), (host, f"{host}.%"))
        return list(cursor.fetchall())


def _own(mark: str) -> str:
    return f"(hostname = {mark} OR hostname LIKE {mark})"


def _time(found: datetime | str) -> datetime:
    moment = datetime.fromisoformat(found) if isinstance(found, str) else found
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def this_host() -> str:
    """The name by which the services of this machine write their heartbeats."""
    return socket.gethostname()
