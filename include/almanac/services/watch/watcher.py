"""Restarts services that hang: `python -m almanac.services.watch.watcher`, which supervisord runs beside them.

Supervisord restarts what exits; a hung process does not exit. The watcher asks each service for a sign of life, kills
the one that gives none, and supervisord starts it again. An alert is sent at once, without scheduler and api-server.
"""

import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from almanac.config.credentials import FILE_MODE
from almanac.config.home import Home
from almanac.errors import TransientError
from almanac.services.ports import Ports, load_ports
from almanac.services.supervision.leftovers import end_tree
from almanac.services.supervision.supervision import (
    WATCHER,
    ServiceStatus,
    full_name,
    log_file,
    services_folder,
    statuses,
    supervisor_of,
)
from almanac.services.watch import signs
from almanac.services.watch.looks import look_at, read_signs
from almanac.services.watch.outbox import Outbox, ServiceAlert
from almanac.services.watch.pulse import POLL_S, Limits, Pulse, felt, hung, restarted

log = logging.getLogger(__name__)
# What people read that watch a log and an alert: the log of the service itself says more.
_READ_LOG = "Nothing at first. If it happens again, read the end of its log: a lock, a failed disk, lack of memory?"


class Watcher:
    """The watcher of one home.

    Args:
        home: whose services.
        ports: where they listen.
        outbox: brings to people what happened.
        limits: how long a service may be silent.
        clock: monotonic seconds, which pass only while the machine is awake.
        answer_s: how long a server may take to answer.
    """

    def __init__(
        self,
        home: Home,
        ports: Ports,
        outbox: Outbox,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        answer_s: float = signs.ANSWER_S,
    ) -> None:
        self._home, self._ports, self._outbox = home, ports, outbox
        self._limits, self._clock, self._answer_s = limits or Limits(), clock, answer_s
        self._pulses: dict[str, Pulse] = {}
        self._looked = clock()
        self._unanswered_s = 0.0

    def look(self) -> tuple[str, ...]:
        """Look at all services once and restart those that hang; gives their names."""
        now = self._clock()
        # A late look means that this process got no processor, and neither did they.
        passed_s, self._looked = min(now - self._looked, 2 * POLL_S), now
        running = statuses(self._home)
        self._note_supervisor(bool(running), passed_s)
        found = read_signs(self._home, self._ports, self._answer_s)
        if found.beats is None:
            log.warning("%s", found.unknown)
        watched = [each for each in running if each.name in {*signs.JOBS, *signs.PATHS}]
        for each in watched:
            look = look_at(each, found.of(each.name, repr(now)))
            self._pulses[each.name] = felt(self._pulses.get(each.name, Pulse()), look, passed_s, self._limits)
        ill = hung({each.name: self._pulses[each.name] for each in watched}, self._limits)
        for each in watched:
            if each.name in ill:
                self._restart(each)
        self._outbox.process_due()
        _write_beat(self._home, self._clock())
        return ill

    def _restart(self, service: ServiceStatus) -> None:
        pulse = self._pulses[service.name]
        self._pulses[service.name] = restarted(pulse)
        if service.pid:
            with suppress(psutil.NoSuchProcess):
                end_tree(psutil.Process(service.pid))  # supervisord starts it again
        else:
            with supervisor_of(self._home) as supervisor:
                supervisor.startProcess(full_name(service.name), False)
        self._outbox.put(_alert(service, pulse))

    def _note_supervisor(self, answered: bool, passed_s: float) -> None:
        before_s = self._unanswered_s
        self._unanswered_s = 0.0 if answered else before_s + passed_s
        if before_s < self._limits.idle_s <= self._unanswered_s:
            self._outbox.put(
                ServiceAlert(
                    "supervisor",
                    "the supervisor of the services hangs",
                    f"It has not answered for {self._unanswered_s:.0f} s. The services keep running, but none is"
                    " restarted.",
                    "`./almanac up` stops it and all services, and starts them again.",
                    "critical",
                )
            )


def beat_file(home: Home) -> Path:
    """Where the watcher writes when it has last looked."""
    return services_folder(home) / "watcher.json"


def last_look_s(home: Home) -> float | None:
    """How long ago the watcher has looked; None: never since this machine was booted."""
    try:
        age_s = time.monotonic() - float(json.loads(beat_file(home).read_text("ascii"))["monotonic_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return age_s if age_s >= 0 else None


def _write_beat(home: Home, now: float) -> None:
    path = beat_file(home)
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"monotonic_s": now, "pid": os.getpid()}), "ascii")
    new.replace(path)


def _alert(service: ServiceStatus, pulse: Pulse) -> ServiceAlert:
    name, silent = service.name, f"{pulse.silent_s:.0f} s"
    if not service.pid:
        return ServiceAlert(
            name,
            f"{name} did not start, and is started again",
            f"Supervisord gave up on it {silent} ago.",
            f"Read the end of its log: `./almanac status` says where. {_READ_LOG}",
            "critical",
        )
    return ServiceAlert(
        name,
        f"{name} hung and was restarted",
        f"It gave no sign of life for {silent}; {pulse.state}. It was killed with all that it had started, and the"
        " supervisor starts it again. Its unfinished work is retried automatically.",
        _READ_LOG,
    )


def _write_log_alone(home: Home) -> None:
    """Supervisord wrote what came by a pipe; without a reader every word would fail, those of a child too."""
    descriptor = os.open(log_file(home, WATCHER), os.O_WRONLY | os.O_APPEND | os.O_CREAT, FILE_MODE)
    for standard in (1, 2):
        os.dup2(descriptor, standard)


def main() -> None:
    """Watch until the supervisor ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    home, supervisor_pid = Home(), os.getppid()
    outbox = Outbox()
    watcher = Watcher(home, load_ports(home.home) or Ports(), outbox)
    while os.getppid() == supervisor_pid:
        began = time.monotonic()
        try:
            watcher.look()
        except (TransientError, psutil.Error, OSError):
            log.exception("check failed; it is repeated")
        time.sleep(max(0.5, POLL_S - (time.monotonic() - began)))
    _write_log_alone(home)
    outbox.put(
        ServiceAlert(
            "supervisor",
            "the supervisor of the services is gone",
            f"Its process {supervisor_pid} has ended without stopping them. The services keep running, but none is"
            " restarted.",
            "`./almanac up` stops what is left and starts everything; `./almanac down` stops it.",
            "critical",
        )
    )
    outbox.flush(600.0)


if __name__ == "__main__":
    main()
