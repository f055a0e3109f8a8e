"""Locks between processes: two starts of one home, and two starts of one machine, happen one after the other."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from almanac.config.credentials import FILE_MODE
from almanac.errors import TransientError


@contextmanager
def locked(path: Path, waiting: Callable[[], None], *, timeout_s: float) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel frees it however this process ends.

    Args:
        path: the file; made if it is missing.
        waiting: called once when the lock is held by someone else.
        timeout_s: how long to wait.

    Raises:
        TransientError: it is still held by someone else.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    try:
        deadline = time.monotonic() + timeout_s
        announced = False
        while not _try_lock(descriptor):
            if not announced:
                waiting()
                announced = True
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{path}: still locked by another process after {timeout_s:.0f} s; try again later"
                )
            time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
