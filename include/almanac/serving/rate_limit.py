"""How often a caller may ask: at most so many requests in any minute, counted by this process."""

import math
import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0


class RateLimit:
    """Counts the requests of each caller of a model; those that it refuses are not counted.

    Args:
        most: requests of one caller in any minute; None: any number.
        clock: monotonic seconds.
    """

    def __init__(self, most: int | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._asked: dict[str, deque[float]] = {}  # as many as there are callers with a good token

    def wait_s(self, caller: str) -> int:
        """Count a request of this caller: 0; or the seconds after which it may ask again."""
        if self._most is None:
            return 0
        now, asked = self._clock(), self._asked.setdefault(caller, deque())
        while asked and now - asked[0] >= WINDOW_S:
            asked.popleft()
        if len(asked) >= self._most:
            return max(1, math.ceil(WINDOW_S - (now - asked[0])))
        asked.append(now)
        return 0
