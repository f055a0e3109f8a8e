"""Waiting for real processes."""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def wait(until: Callable[[], Answer], what: str, timeout_s: float = 480) -> Answer:
    """Ask again until the answer is true, and return it.

    Raises:
        AssertionError: it was not in time.
    """
    deadline = time.monotonic() + timeout_s
    while not (answer := until()):
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(0.3)
    return answer
