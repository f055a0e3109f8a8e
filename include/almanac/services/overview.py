"""The state of a home's services, as they report it: for `status`, `doctor`, `up` and `down`.

That a process is there means nothing: it may hang. That its supervisor does not answer means nothing either: the
services may run on.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import psutil

from almanac.config.home import Home
from almanac.services.ports import Ports, load_ports
from almanac.services.supervision.leftovers import is_stopped, processes_of
from almanac.services.supervision.supervision import (
    WATCHER,
    ServiceStatus,
    log_file,
    statuses,
    supervisor_process,
)
from almanac.services.watch import signs
from almanac.services.watch.looks import Signs, read_signs, tree_of
from almanac.services.watch.pulse import Limits
from almanac.services.watch.watcher import last_look_s

SupervisorState = Literal["up", "hung", "gone", "down"]

# As long as Airflow itself calls them healthy, and as the watcher waits.
_SILENT_S = Limits().idle_s
_STARTS_S = Limits().start_s
# It looks every five seconds, and waits ten for those that do not answer.
_WATCHER_SILENT_S = 60.0
_ASK_S = 3.0


@dataclass(frozen=True)
class ServiceHealth:
    """One service.

    Attributes:
        name: of the service.
        state: RUNNING, STARTING, HUNG, UNKNOWN, MISSING, or what supervisord says of one that does not run.
        words: what was seen.
        pid: of its main process; 0: unknown.
        stopped: whether a signal keeps one of its processes from running.
    """

    name: str
    state: str
    words: str
    pid: int = 0
    stopped: bool = False

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.state == "RUNNING"


@dataclass(frozen=True)
class Overview:
    """All of them.

    Attributes:
        supervisor: up; hung: its process is there and does not answer; gone: its services run on without it; down.
        supervisor_pid: of its process; 0: there is none.
        services: in the supervisor's order; without it, those that can be asked.
        left: processes of the home that run without a supervisor.
    """

    supervisor: SupervisorState
    supervisor_pid: int
    services: tuple[ServiceHealth, ...]
    left: tuple[int, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether everything runs, and lives."""
        return self.supervisor == "up" and all(each.healthy for each in self.services)

    @property
    def problem(self) -> str:
        """What is wrong with the supervisor, and what to do; empty: nothing is."""
        if self.supervisor == "hung":
            return (
                f"The supervisor (pid {self.supervisor_pid}) hangs: it does not answer. Its services keep running,"
                " but are not restarted when they fail. `./almanac up` stops everything and starts it again;"
                " `./almanac down` stops it."
            )
        if self.supervisor == "gone":
            return (
                f"The supervisor is gone; {len(self.left)} processes still run (pids {_listed(self.left)}), and are"
                " not restarted when they fail. `./almanac up` takes over: it stops them and starts them again;"
                " `./almanac down` stops them."
            )
        return "The services are down. `make up` starts them." if self.supervisor == "down" else ""


def overview(home: Home) -> Overview:
    """Ask supervisor, services and kernel; takes some seconds at most, whatever hangs."""
    with ThreadPoolExecutor(1) as pool:  # at once: what hangs costs its own wait, and not the sum
        asked = pool.submit(read_signs, home, load_ports(home.home) or Ports(), _ASK_S)
        process = supervisor_process(home)
        running = () if process is not None and is_stopped(process) else statuses(home)
        found_signs = asked.result()
    if running:
        return Overview("up", process.pid if process else 0, _supervised(home, running, found_signs))
    if process is not None:
        return Overview("hung", process.pid, _unsupervised(found_signs), _left(home, process.pid))
    left = _left(home, 0)
    return Overview("gone", 0, _unsupervised(found_signs), left) if left else Overview("down", 0, ())


def _supervised(home: Home, running: tuple[ServiceStatus, ...], found_signs: Signs) -> tuple[ServiceHealth, ...]:
    found = [_watcher(home, each) if each.name == WATCHER else _service(home, each, found_signs) for each in running]
    if WATCHER not in {each.name for each in running}:
        words = "hung services are not restarted: an older version started these services; ./almanac down, then up"
        found.append(ServiceHealth(WATCHER, "MISSING", words))
    return tuple(found)


def _service(home: Home, service: ServiceStatus, found_signs: Signs) -> ServiceHealth:
    name, pid = service.name, service.pid
    if not service.running:
        return ServiceHealth(name, service.state, f"{service.description}; read {log_file(home, name)}", pid)
    tree = tree_of(service)
    if stopped := [each.pid for each in tree if is_stopped(each)]:
        last = _last_words(name, found_signs)
        return ServiceHealth(name, "HUNG", f"pid {_listed(stopped)} was stopped by a signal (SIGSTOP){last}", pid, True)
    state, words = _alive(name, found_signs, _up_s(tree))
    return ServiceHealth(name, state, f"{service.description}{words}", pid)


def _alive(name: str, found_signs: Signs, up_s: float) -> tuple[str, str]:
    """Whether a service that has a process lives, and in words why not."""
    begins = up_s < _STARTS_S
    if name in signs.PATHS:
        if name in found_signs.responding:
            return "RUNNING", ""
        return ("STARTING" if begins else "HUNG"), f"; does not answer {signs.PATHS[name]} within {_ASK_S:.0f} s"
    if name not in signs.JOBS:
        return "RUNNING", ""
    if found_signs.beats is None:
        return "UNKNOWN", f"; its heartbeat cannot be read: {found_signs.unknown}"
    age_s = _age_s(name, found_signs)
    if age_s is None or age_s > up_s + 1.0:  # of the life before this one
        return ("STARTING" if begins else "HUNG"), "; no heartbeat since it started"
    return ("HUNG", _last_words(name, found_signs)) if age_s > _SILENT_S else ("RUNNING", "")


def _watcher(home: Home, service: ServiceStatus) -> ServiceHealth:
    age_s = last_look_s(home)
    if not service.running:
        words = f"{service.description}; hung services are not restarted; read {log_file(home, WATCHER)}"
        return ServiceHealth(WATCHER, service.state, words, service.pid)
    if any(is_stopped(each) for each in tree_of(service)):
        words = "was stopped by a signal (SIGSTOP): hung services are not restarted"
        return ServiceHealth(WATCHER, "HUNG", words, service.pid, True)
    if age_s is None or age_s > _WATCHER_SILENT_S:
        begins = _up_s(tree_of(service)) < _WATCHER_SILENT_S
        seen = "has not checked yet" if age_s is None else f"last checked {age_s:.0f} s ago"
        return ServiceHealth(WATCHER, "STARTING" if begins else "HUNG", seen, service.pid)
    return ServiceHealth(WATCHER, "RUNNING", f"{service.description}; checked {age_s:.0f} s ago", service.pid)


def _unsupervised(found_signs: Signs) -> tuple[ServiceHealth, ...]:
    """Those that can be asked, without a supervisor that knows their processes."""
    found = []
    for name in ("mlflow", *signs.JOBS, "api-server"):
        state, words = _alive(name, found_signs, float("inf"))
        seen = words.removeprefix("; ") or ("answers" if name in signs.PATHS else _last_words(name, found_signs)[2:])
        found.append(ServiceHealth(name, "NOT SUPERVISED" if state == "RUNNING" else state, seen))
    return tuple(found)


def _last_words(name: str, found_signs: Signs) -> str:
    age_s = _age_s(name, found_signs)
    return "" if age_s is None else f"; last heartbeat {age_s:.0f} s ago"


def _age_s(name: str, found_signs: Signs) -> float | None:
    beat = (found_signs.beats or {}).get(name)
    return None if beat is None else max(0.0, (datetime.now(UTC) - beat).total_seconds())


def _up_s(tree: list[psutil.Process]) -> float:
    try:
        return datetime.now(UTC).timestamp() - float(tree[0].create_time())
    except (IndexError, psutil.Error):
        return 0.0


def _left(home: Home, supervisor_pid: int) -> tuple[int, ...]:
    return tuple(sorted(each.pid for each in processes_of(home.home) if each.pid != supervisor_pid))


def _listed(pids: "tuple[int, ...] | list[int]") -> str:
    shown = ", ".join(map(str, pids[:12]))
    return shown if len(pids) <= 12 else f"{shown} and {len(pids) - 12} more"
