"""Brings to people what the watcher has done, without making it wait.

Channels are Airflow's connections, which only Airflow reads; so each alert is told by a short process of its own, which
reads them without scheduler and api-server. What could not be sent is sent by the next run of `alerts`.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from almanac.config.repository import python_path
from almanac.config.sections.alerts import Severity

_TRIES = 5
_PAUSE_S = 20.0
# Importing Airflow takes half a minute on a machine that does eight other things.
_TIMEOUT_S = 180.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServiceAlert:
    """What happened to a service.

    Attributes:
        key: what is one event.
        subject: one line.
        words: what was seen and done.
        what_to_do: in words.
        severity: of the alert.
    """

    key: str
    subject: str
    words: str
    what_to_do: str
    severity: Severity = "warning"


class Outbox:
    """What is still to be told, the oldest first.

    Args:
        command: reads one alert as JSON from its standard input and ends with 0 when the journal has it.
        clock: monotonic seconds.
    """

    def __init__(self, command: tuple[str, ...] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._command = command or (sys.executable, "-m", "almanac_airflow.notifiers.service_alert")
        self._clock = clock
        self._waiting: deque[tuple[ServiceAlert, int]] = deque()
        self._process: subprocess.Popen[str] | None = None
        self._since = self._not_before = clock()

    def put(self, alert: ServiceAlert) -> None:
        """Tell this, too; it is in the log at once."""
        log.warning("%s. %s", alert.subject, alert.words)
        self._waiting.append((alert, 1))
        self.process_due()

    def process_due(self) -> bool:
        """Start what is due and look what became of what was started; whether nothing is left to tell."""
        if self._process is not None and not self._handle_ended(self._process):
            return False
        if self._waiting and self._clock() >= self._not_before:
            self._start(self._waiting[0][0])
        return not self._waiting

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is told; whether it is."""
        deadline = self._clock() + timeout_s
        while not self.process_due() and self._clock() < deadline:
            time.sleep(0.2)
        return not self._waiting

    def _start(self, alert: ServiceAlert) -> None:
        path = python_path(os.environ.get("PYTHONPATH", ""))
        self._since = self._clock()
        self._process = subprocess.Popen(
            self._command,
            # Read connections as Airflow's own services do, from its database: there is no task here.
            env={**os.environ, "PYTHONPATH": path, "_AIRFLOW_PROCESS_CONTEXT": "server"},
            stdin=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        with suppress(BrokenPipeError), self._process.stdin as pipe:  # its code says that it has failed
            pipe.write(json.dumps(asdict(alert)))

    def _handle_ended(self, process: "subprocess.Popen[str]") -> bool:
        code = process.poll()
        if code is None:
            if self._clock() - self._since < _TIMEOUT_S:
                return False
            process.kill()
            code = process.wait()
        self._process = None
        alert, tries = self._waiting.popleft()
        if code == 0:
            log.info("told: %s", alert.subject)
        elif tries < _TRIES:
            log.warning("could not be reported (code %s), is tried again: %s", code, alert.subject)
            self._waiting.appendleft((alert, tries + 1))
            self._not_before = self._clock() + _PAUSE_S
        else:
            log.error("was not reported, it is in this log only: %s", alert.subject)
        return True
