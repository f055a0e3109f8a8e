"""Becomes a service of a container, and ends it when it hangs.

`python -m almanac.services.watch.guard NAME COMMAND...` is what the container runs.

The restart policy of Docker and of podman acts on a container that ends, never on one that is merely unhealthy. So a
small child of the service asks it for signs of life, as the watcher does on one machine, and kills it when none comes;
the container ends, and its policy starts it again. The service itself keeps its process, its signals and its code.

It needs an init process (`init: true`): the first process of a container cannot be killed from within.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from almanac.services.watch import signs
from almanac.services.watch.pulse import POLL_S, Limits, Look, Pulse, felt, hung

if TYPE_CHECKING:
    import psutil

_PR_SET_PDEATHSIG = 1
_DELIVERY_S = 25.0
PATHS = {**signs.PATHS, "serve": "/live"}  # on one machine nobody supervises `almanac serve` but who started it
# A worker that was asked to end finishes its tasks and answers nobody meanwhile (`stop_grace_period`: five minutes).
_ENDING_WORKER_S = 360.0

log = logging.getLogger(__name__)


def main(arguments: list[str]) -> None:
    """Leave a guard behind and become the service."""
    name, *command = arguments
    service_pid = os.getpid()
    if os.fork() == 0:
        _guard(name, command, service_pid)
    os.execvp(command[0], command)  # noqa: S606 - what the compose file says


def sign_of(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Callable[[], str | None]:
    """What to call for a service's newest sign of life; see `Look.sign`.

    Args:
        name: scheduler, triggerer, dag-processor, api-server, mlflow, serve or worker.
        command: of the service.
        environment: of the service.
    """
    if name in signs.JOBS:
        return lambda: _heartbeat(name, environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    if name in PATHS:
        port = _option(command, "--port") or environment.get("AIRFLOW__API__PORT", "8080")
        return lambda: _now() if signs.answers(f"http://127.0.0.1:{port}{PATHS[name]}") else ""
    worker = _option(command, "--celery-hostname") or f"celery@{signs.this_host()}"
    return lambda: _worker(worker, environment["AIRFLOW__CELERY__BROKER_URL"])


def watch(
    name: str,
    sign: Callable[[], str | None],
    pid: int,
    limits: Limits,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Pulse:
    """Look at a service until it hangs.

    Args:
        name: of the service.
        sign: see `sign_of`.
        pid: of its main process.
        limits: how long it may be silent.
        sleep: waits until the next look.
        clock: monotonic seconds.
    """
    pulse, looked = Pulse(), clock()
    while True:
        now = clock()
        passed_s, looked = min(now - looked, 2 * POLL_S), now
        pulse = felt(pulse, _look(name, pid, sign()), passed_s, limits)
        if hung({name: pulse}, limits):
            return pulse
        sleep(POLL_S)


def _guard(name: str, command: Sequence[str], service_pid: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s guard %(levelname)s %(message)s")
    if os.getppid() != service_pid:
        os._exit(0)
    if service_pid == 1:
        log.error("%s is the container's first process and cannot be ended from within: set `init: true`", name)
        os._exit(1)
    limits = replace(Limits(), busy_s=_ENDING_WORKER_S) if name == "worker" else Limits()
    try:
        pulse = watch(name, sign_of(name, command, os.environ), service_pid, limits)
        _end(name, service_pid, pulse)
    except Exception:  # logged whole: a guard that fails must not take the service that it guards with it
        log.exception("%s runs without a watcher", name)
    os._exit(1)


def _end(name: str, pid: int, pulse: Pulse) -> None:
    """Tell people, then end it: with it ends the container, and this process."""
    import psutil

    from almanac.services.supervision.leftovers import end_tree
    from almanac.services.watch.outbox import Outbox, ServiceAlert

    who = f"{name}@{signs.this_host()}"
    alert = ServiceAlert(
        who,
        f"{who} hung and was restarted",
        f"It gave no sign of life for {pulse.silent_s:.0f} s; {pulse.state}. Its container was killed, and is started"
        " again. Its unfinished work is retried automatically.",
        "Nothing at first. If it happens again, read the end of its log before that time: a lock, a failed disk, lack"
        " of memory?",
    )
    outbox = Outbox()
    if "AIRFLOW_HOME" in os.environ:  # MLflow's server knows neither the journal nor a channel
        outbox.put(alert)
        outbox.flush(_DELIVERY_S)
    else:
        log.error("%s. %s", alert.subject, alert.words)
    end_tree(psutil.Process(pid), spare=os.getpid())


def _look(name: str, pid: int, sign: str | None) -> Look:
    import psutil

    from almanac.services.supervision.leftovers import is_stopped

    process = psutil.Process(pid)
    tree = [process]
    if name in PATHS:  # an answer may come from a process that it has started
        tree += [each for each in process.children(recursive=True) if each.pid != os.getpid()]
    # A worker that ends its last tasks is idle, too.
    cpu_s = time.monotonic() if name == "worker" else sum(_cpu_s(each) for each in tree)
    return Look(pid, sign, cpu_s, any(is_stopped(each) for each in tree))


def _cpu_s(process: "psutil.Process") -> float:
    import psutil

    try:
        times = process.cpu_times()
    except psutil.Error:  # it has ended meanwhile
        return 0.0
    return float(times.user + times.system)


def _heartbeat(name: str, url: str) -> str | None:
    found = signs.heartbeats(url, signs.this_host())
    if isinstance(found, signs.Unanswered):
        return None
    return found[name].isoformat() if name in found else ""


def _worker(name: str, broker_url: str) -> str | None:
    answered = signs.worker_responds(broker_url, name)
    if isinstance(answered, signs.Unanswered):
        return None
    return _now() if answered else ""


def _now() -> str:
    return repr(time.monotonic())


def _option(command: Sequence[str], name: str) -> str:
    return command[command.index(name) + 1] if name in command else ""


if __name__ == "__main__":
    main(sys.argv[1:])
