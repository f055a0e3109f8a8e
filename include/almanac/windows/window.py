"""Windows: half-open intervals of event time, of one size, one after the other, counted from 1970 in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Window:
    """`[start, end)`, aware, in UTC."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def window_of(time: datetime, size: timedelta) -> Window:
    """The window that an aware time lies in."""
    start = _EPOCH + (time - _EPOCH) // size * size
    return Window(start, start + size)


def complete_windows(since: datetime, until: datetime, size: timedelta) -> tuple[Window, ...]:
    """The windows that lie wholly in `[since, until)`, the oldest first."""
    first = window_of(since, size)
    start = first.start if first.start == since else first.end
    count = max((until - start) // size, 0)
    return tuple(Window(start + n * size, start + (n + 1) * size) for n in range(count))
