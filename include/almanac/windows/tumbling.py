"""Which windows a declaration makes, and when each of them closes."""

from collections.abc import Iterator
from datetime import UTC, datetime

from almanac.config.sections.triggers import WindowTrigger
from almanac.errors import ConfigError
from almanac.windows.window import Window, window_of

KEY_FORMAT = "%Y-%m-%dT%H:%M:%S"  # what Airflow's own partition mappers read


def key_of(window: Window) -> str:
    """The partition key of a window: its start, in UTC."""
    return window.start.strftime(KEY_FORMAT)


def window_at(trigger: WindowTrigger, time: datetime) -> Window:
    """The window that an aware time lies in."""
    shifted = window_of(time.astimezone(UTC) - trigger.offset, trigger.size)
    return Window(shifted.start + trigger.offset, shifted.end + trigger.offset)


def window_of_key(trigger: WindowTrigger, key: str) -> Window:
    """The window of a partition key.

    Raises:
        ConfigError: the key is not the start of a window.
    """
    expected = "the start of a window in UTC"
    try:
        start = datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigError(f"partition key: got {key!r}, expected {expected}, e.g. '2026-01-31T00:00:00'") from error
    window = window_at(trigger, start)
    if window.start != start:
        raise ConfigError(f"partition key: got {key!r}, expected {expected}; the next below is {key_of(window)!r}")
    return window


def closes_at(trigger: WindowTrigger, window: Window) -> datetime:
    """When a window is looked at: its end, and the delay for late rows."""
    return window.end + trigger.delay


def first_window(trigger: WindowTrigger) -> Window:
    """The first window: it begins at `start` or after."""
    window = window_at(trigger, trigger.start)
    return window if window.start == trigger.start else following(window)


def following(window: Window) -> Window:
    """The next window of the same size."""
    return Window(window.end, window.end + (window.end - window.start))


def next_window(trigger: WindowTrigger, *, last: datetime | None, now: datetime) -> Window | None:
    """The window that is to run next; None after the declared end.

    Args:
        trigger: the declaration.
        last: the start of the newest window that has run; None: none has.
        now: with `catch_up: false`, windows that closed earlier than the newest closed one are left as gaps.
    """
    window = first_window(trigger)
    if last is not None:
        window = max(window, following(window_at(trigger, last)))
    if not trigger.catch_up:
        newest = window_at(trigger, now - trigger.delay - trigger.size)
        # A declaration that is new must not run for a window that had closed before it existed.
        window = max(window, newest if last is not None else following(newest))
    return None if trigger.end is not None and window.start >= trigger.end else window


def closed_windows(trigger: WindowTrigger, since: datetime, until: datetime, *, now: datetime) -> Iterator[Window]:
    """The windows that begin in `[since, until]` and have closed, the oldest first."""
    window = window_at(trigger, since)
    window = max(window if window.start >= since else following(window), first_window(trigger))
    while window.start <= until and closes_at(trigger, window) <= now:
        if trigger.end is not None and window.start >= trigger.end:
            return
        yield window
        window = following(window)
