"""Runs supervisord; with `--with-parent` it ends when the process that started it ends, even by `kill -9`.

A module of its own and not a function called between fork and exec: the starting process may have threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGTERM at the end of the parent (Linux; elsewhere it does nothing)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have ended before the request was made.
    if os.getppid() != parent_pid:
        raise SystemExit("the process that wanted these services has ended")


def main(arguments: list[str]) -> None:
    """Run supervisord in this process: `supervise.py [--with-parent PID] CONFIG`."""
    from supervisor.supervisord import main as supervisord

    *options, config = arguments
    if options:
        die_with_parent(int(options[1]))
    supervisord(["--nodaemon", "--configuration", config])


if __name__ == "__main__":
    main(sys.argv[1:])
