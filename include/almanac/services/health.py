"""Waits until the services really answer, to us and with our passwords."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from almanac.config.credentials import ADMIN, Credentials
from almanac.config.home import Home
from almanac.config.patience import patience
from almanac.display import shorten
from almanac.errors import PermanentError, TransientError
from almanac.services.airflow_api import AirflowClient
from almanac.services.ports import Ports
from almanac.services.supervision.supervision import ServiceStatus, log_file, statuses
from almanac.services.watch.looks import look_at
from almanac.services.watch.pulse import IDLE_SHARE

_POLL_S = 0.3
_UNAUTHORIZED = 401
_ANSWER_S = 10.0
_BUSY_TIMES = 3


def airflow_problem(ports: Ports, credentials: Credentials) -> str:
    """Say what keeps Airflow from being healthy; empty when nothing does.

    The login matters: another Airflow that took the port meanwhile would be healthy, too.
    """
    with AirflowClient(ports.airflow_url, ADMIN, credentials.airflow_password, timeout_s=_answer_s()) as client:
        try:
            unhealthy = client.health().unhealthy
            if unhealthy:
                return f"not healthy yet: {', '.join(unhealthy)}"
            client.login()
        except (TransientError, PermanentError) as error:
            return str(error)
    return ""


def mlflow_problem(ports: Ports, credentials: Credentials) -> str:
    """Say what keeps MLflow from being healthy; empty when nothing does."""
    try:
        with httpx.Client(base_url=ports.mlflow_url, timeout=_answer_s(), trust_env=False) as client:
            if not client.get("/health").is_success:
                return "does not answer /health"
            found = client.get(
                "/api/2.0/mlflow/experiments/get",
                params={"experiment_id": "0"},
                auth=(ADMIN, credentials.mlflow_password),
            )
    except httpx.TransportError as error:
        return f"does not answer: {error!r}"
    if found.status_code == _UNAUTHORIZED:
        return "does not accept this home's password: another MLflow listens there, or its user database was replaced"
    return "" if found.is_success else f"answers {found.status_code}: {shorten(found.text, 200)}"


def _answer_s() -> float:
    return min(_ANSWER_S, patience().answer_s)


def wait_until_healthy(
    home: Home, ports: Ports, credentials: Credentials, report: Callable[[str], None], *, timeout_s: float
) -> None:
    """Wait for every service, and say when each is there.

    Raises:
        PermanentError: supervisord has given up on one.
        TransientError: one is not healthy within `timeout_s`, three times as long while they compute.
    """
    started, patience_left = time.monotonic(), StartPatience(timeout_s)
    waiting = {"mlflow": mlflow_problem, "airflow": airflow_problem}
    while True:
        problems = {name: check(ports, credentials) for name, check in waiting.items()}
        for name, problem in problems.items():
            if not problem:
                report(f"{name} is healthy")
                del waiting[name]
        if not waiting:
            return
        services = statuses(home)
        _fail_if_given_up(home, services)
        passed_s = time.monotonic() - started
        if patience_left.is_over(passed_s, sum(look_at(service, None).cpu_s for service in services)):
            reasons = "; ".join(f"{name}: {problem}" for name, problem in problems.items() if problem)
            raise TransientError(f"not healthy after {passed_s:.0f} s: {reasons}. Logs: {log_file(home, '*')}")
        time.sleep(_POLL_S)


@dataclass
class StartPatience:
    """Decides when to stop waiting: a busy machine makes a start slow, not wrong.

    Attributes:
        timeout_s: how long services may start without computing; while they compute, a second counts a third.
    """

    timeout_s: float
    _waited_s: float = 0.0
    _passed_s: float = 0.0
    _cpu_s: float = 0.0

    def is_over(self, passed_s: float, cpu_s: float) -> bool:
        """Whether the wait is over.

        Args:
            passed_s: since its beginning.
            cpu_s: what the services have used of the processor; less than before after a restart.
        """
        step_s, used_s = passed_s - self._passed_s, cpu_s - self._cpu_s
        self._waited_s += step_s / _BUSY_TIMES if used_s > IDLE_SHARE * step_s else step_s
        self._passed_s, self._cpu_s = passed_s, cpu_s
        return self._waited_s > self.timeout_s


def _fail_if_given_up(home: Home, services: Sequence[ServiceStatus]) -> None:
    for service in services:
        if service.given_up:
            path = log_file(home, service.name)
            raise PermanentError(f"{service.name} does not start; the end of {path}:\n{_tail(path)}")


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(cannot be read: {error})"
