"""Slows down password guessing: each wrong login of a user from an address makes the next one wait longer.

Per user *and* address, so that nobody is locked out by somebody elsewhere; in memory that is bounded, so that a million
invented users cost nothing. After a pause all is forgotten.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_FAILURES = 4
MAX_DELAY_S = 60.0
_FORGOTTEN_AFTER_S = 900.0
_MAX_ENTRIES = 10_000
_MAX_CHARACTERS = 100


@dataclass(frozen=True)
class _Failures:
    count: int
    last_s: float

    @property
    def delay_s(self) -> float:
        """1, 2, 4, ... seconds after the free ones."""
        return 0.0 if self.count < FREE_FAILURES else min(MAX_DELAY_S, 2.0 ** min(self.count - FREE_FAILURES, 16))


class LoginDelays:
    """What this process remembers of wrong logins; may be used by several threads.

    Args:
        clock_s: a clock that never goes back, in seconds.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, user: str, address: str) -> float:
        """How long this user must still wait at this address; 0: try."""
        with self._lock:
            found = self._failures.get(_key(user, address))
            return 0.0 if found is None else max(0.0, found.last_s + found.delay_s - self._clock_s())

    def failed(self, user: str, address: str) -> None:
        """Note a wrong login."""
        key, now_s = _key(user, address), self._clock_s()
        with self._lock:
            before = self._failures.pop(key, None)
            known = before is not None and now_s - before.last_s < _FORGOTTEN_AFTER_S
            self._failures[key] = _Failures(before.count + 1 if known and before else 1, now_s)
            while len(self._failures) > _MAX_ENTRIES:
                self._failures.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """Forget the wrong logins before a right one."""
        with self._lock:
            self._failures.pop(_key(user, address), None)

    def __len__(self) -> int:
        return len(self._failures)


def _key(user: str, address: str) -> tuple[str, str]:
    return user[:_MAX_CHARACTERS].casefold(), address[:_MAX_CHARACTERS]
