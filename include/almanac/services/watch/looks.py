"""One look at the services of a home: what they say themselves, and how the kernel keeps their processes."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import psutil

from almanac.config.home import Home
from almanac.services.ports import Ports
from almanac.services.supervision.leftovers import is_stopped
from almanac.services.supervision.supervision import ServiceStatus
from almanac.services.watch import signs
from almanac.services.watch.pulse import Look


@dataclass(frozen=True)
class Signs:
    """What the services of one home say, asked all at once.

    Attributes:
        beats: the newest heartbeats by service; None: their database does not answer,
        unknown: and why.
        responding: the servers that answer.
    """

    beats: Mapping[str, datetime] | None
    unknown: str
    responding: frozenset[str]

    def of(self, name: str, moment: str) -> str | None:
        """A service's sign of life; see `Look.sign`.

        Args:
            name: of the service.
            moment: another text for each look.
        """
        if name in signs.PATHS:
            return moment if name in self.responding else ""
        if self.beats is None:
            return None
        return self.beats[name].isoformat() if name in self.beats else ""


def read_signs(home: Home, ports: Ports, timeout_s: float = signs.ANSWER_S) -> Signs:
    """Ask every service for a sign of life; none waits for another."""
    urls = {"api-server": ports.airflow_url, "mlflow": ports.mlflow_url}
    with ThreadPoolExecutor(3) as pool:
        answers = {name: pool.submit(signs.answers, urls[name] + path, timeout_s) for name, path in signs.PATHS.items()}
        beats = pool.submit(signs.heartbeats, home.airflow_database_url, signs.this_host(), timeout_s).result()
        answered = frozenset(name for name, answer in answers.items() if answer.result())
    if isinstance(beats, signs.Unanswered):
        return Signs(None, beats.why, answered)
    return Signs(beats, "", answered)


def look_at(service: ServiceStatus, sign: str | None) -> Look:
    """What is seen of a service; supervisord itself deals with one that begins or ends, until it gives up."""
    if not service.running:
        return Look(service.pid, "" if service.given_up else None)
    tree = tree_of(service)
    if not tree:
        return Look(service.pid, None)
    try:
        times = [each.cpu_times() for each in tree if each.is_running()]
        stopped = any(is_stopped(each) for each in tree)
    except psutil.NoSuchProcess:  # it has ended since: supervisord deals with it
        return Look(service.pid, None)
    return Look(service.pid, sign, float(sum(each.user + each.system for each in times)), stopped)


def tree_of(service: ServiceStatus) -> list[psutil.Process]:
    """The processes that must run for the service to live; empty when it has ended.

    A heartbeat is written by the main process itself; an answer may come from one that it has started.
    """
    try:
        process = psutil.Process(service.pid)
        return [process, *process.children(recursive=True)] if service.name in signs.PATHS else [process]
    except psutil.NoSuchProcess:
        return []
