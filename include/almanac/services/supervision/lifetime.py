"""Starts and stops the supervisord of a home, and keeps both whole when a person is impatient."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

import psutil

from almanac.config.home import Home
from almanac.errors import PermanentError, TransientError
from almanac.services.supervision import supervise
from almanac.services.supervision.leftovers import end_processes, is_stopped, processes_of
from almanac.services.supervision.supervision import config_file, log_file, statuses, supervisor_of, supervisor_process

# Longer than supervisord gives each of its processes (`stopwaitsecs`), all at once.
_STOP_TIMEOUT_S = 40.0


def start_supervisor(home: Home, variables: Mapping[str, str], *, with_parent: bool) -> None:
    """Start supervisord with the configuration that was written, and wait until it answers.

    Args:
        home: whose `config_file`.
        variables: its whole environment; it must carry the home's marker.
        with_parent: end it when this process ends, even by `kill -9`. Call it in the main thread, then: the kernel
            watches the thread.

    Raises:
        PermanentError: it does not start.
    """
    option = ["--with-parent", str(os.getpid())] if with_parent else []
    with log_file(home, "supervisord").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, supervise.__file__, *option, str(config_file(home))],
            env=dict(variables),
            cwd=home.home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A Ctrl-C is for the caller, who stops the services in order.
            start_new_session=True,
            umask=0o077,
        )
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while not statuses(home):
        if process.poll() is not None or time.monotonic() > deadline:
            raise PermanentError(f"supervisord does not start; read the end of {log_file(home, 'supervisord')}")
        time.sleep(0.1)


def stop_supervisor(home: Home, report: Callable[[str], None]) -> bool:
    """Stop supervisord and everything it has started; returns False when nothing ran.

    One that hangs is killed, and what it has started is ended without it: stopped processes too.
    """
    process = supervisor_process(home)
    with suppress(TransientError, psutil.Error):
        if process is None or not is_stopped(process):
            with supervisor_of(home) as supervisor:
                process = psutil.Process(supervisor.getPID())
                report("stopping the services")
                supervisor.shutdown()
            with suppress(psutil.TimeoutExpired):
                process.wait(_STOP_TIMEOUT_S)
            end_processes(home.home)
            return True
    if process is not None:
        report(f"the supervisor (pid {process.pid}) does not answer; killing it and all that it started")
        with suppress(psutil.Error):
            process.kill()  # first: it must not start again what is ended below
            process.wait(_STOP_TIMEOUT_S)
    elif left := processes_of(home.home):
        report(f"the supervisor is gone; killing the {len(left)} processes that it left behind")
    return end_processes(home.home) > 0 or process is not None


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a second Ctrl-C not stop the stopping."""
    with _handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), signal.SIG_IGN):
        yield


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM and a closed terminal into an exception, so that `finally` blocks run."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handling((signal.SIGTERM, signal.SIGHUP), end):
        yield


@contextmanager
def _handling(
    numbers: tuple[signal.Signals, ...],
    handler: Callable[[int, FrameType | None], None] | signal.Handlers,
) -> Iterator[None]:
    # Python allows handlers in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
