"""Waiting for real processes."""

import time
from collections.abc import Callable
from typing import TypeVar

from almanac.errors import TransientError

Answer = TypeVar("Answer")


def wait(until: Callable[[], Answer], what: str, timeout_s: float = 480) -> Answer:
    """Ask again until the answer is true, and return it.

    What fails for a moment, as Airflow does while its SQLite is busy, is asked again.

    Raises:
        AssertionError: it was not in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        failed = ""
        try:
            if answer := until():
                return answer
        except TransientError as error:
            failed = f"; {error}"
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for {what}{failed}"
        time.sleep(0.3)
