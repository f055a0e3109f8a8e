"""Waits until the services really answer, to us and with our passwords."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from almanac.config.credentials import ADMIN, Credentials
from almanac.config.home import Home
from almanac.config.patience import patience
from almanac.display import shorten
from almanac.errors import PermanentError, TransientError
from almanac.services.airflow_api import AirflowClient
from almanac.services.ports import Ports
from almanac.services.supervision.supervision import log_file, statuses

_POLL_S = 0.3
_UNAUTHORIZED = 401
_ANSWER_S = 10.0


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
        TransientError: one is not healthy within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    waiting = {"mlflow": mlflow_problem, "airflow": airflow_problem}
    while True:
        problems = {name: check(ports, credentials) for name, check in waiting.items()}
        for name, problem in problems.items():
            if not problem:
                report(f"{name} is healthy")
                del waiting[name]
        if not waiting:
            return
        _fail_if_given_up(home)
        if time.monotonic() > deadline:
            reasons = "; ".join(f"{name}: {problem}" for name, problem in problems.items() if problem)
            raise TransientError(f"not healthy after {timeout_s:.0f} s: {reasons}. Logs: {log_file(home, '*')}")
        time.sleep(_POLL_S)


def _fail_if_given_up(home: Home) -> None:
    for service in statuses(home):
        if service.given_up:
            path = log_file(home, service.name)
            raise PermanentError(f"{service.name} does not start; the end of {path}:\n{_tail(path)}")


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(cannot be read: {error})"
