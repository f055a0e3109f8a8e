"""Runs supervisord, and at its end ends what its processes left behind.

With `--with-parent` it ends when the process that started it ends, even by `kill -9`.

A module of its own and not a function called between fork and exec: the starting process may have threads.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGTERM at the end of the parent (Linux; elsewhere it does nothing)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have ended before the request was made.
    if os.getppid() != parent_pid:
        raise SystemExit("the process that started these services has ended")


def main(arguments: list[str]) -> None:
    """Run supervisord in this process: `supervise.py [--with-parent PID] CONFIG`."""
    from supervisor.supervisord import main as supervisord

    from almanac.services.environment import MARKER
    from almanac.services.supervision.leftovers import end_processes

    *options, config = arguments
    if options:
        die_with_parent(int(options[1]))
    try:
        supervisord(["--nodaemon", "--configuration", config])
    finally:
        # Every task of Airflow leads a process group of its own, which the end of the scheduler does not reach.
        end_processes(Path(os.environ[MARKER]))


if __name__ == "__main__":
    main(sys.argv[1:])
