"""Which windows there are, and which is next."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from almanac.config.sections.triggers import WindowTrigger
from almanac.errors import ConfigError
from almanac.windows.tumbling import closed_windows, first_window, key_of, next_window, window_at, window_of_key
from almanac.windows.window import Window

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def declared(**fields: Any) -> WindowTrigger:
    return WindowTrigger.model_validate({"kind": "window", "size": "1d", "start": START, **fields})


def test_windows_follow_one_another_without_gap_or_overlap() -> None:
    found = list(closed_windows(declared(size="6h"), START, START + 3 * DAY, now=START + 3 * DAY))
    assert len(found) == 12
    assert all(earlier.end == later.start for earlier, later in pairwise(found))


def test_window_at_offset_moves_the_borders() -> None:
    trigger = declared(offset="6h", start=START)
    assert window_at(trigger, START).start == START - timedelta(hours=18)
    assert first_window(trigger).start == START + timedelta(hours=6)


def test_window_of_key_reads_what_key_of_writes() -> None:
    window = window_at(declared(), START + timedelta(hours=5))
    assert key_of(window) == "2026-01-01T00:00:00"
    assert window_of_key(declared(), key_of(window)) == window


@pytest.mark.parametrize("key", ["2026-01-01", "yesterday", "2026-01-01T05:00:00"])
def test_window_of_key_not_the_start_of_a_window_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=f"partition key: got '{key}', expected the start of a window"):
        window_of_key(declared(), key)


def test_next_window_catches_up_one_by_one() -> None:
    now = START + 30 * DAY
    assert next_window(declared(), last=None, now=now) == Window(START, START + DAY)
    assert next_window(declared(), last=START, now=now) == Window(START + DAY, START + 2 * DAY)


def test_next_window_without_catching_up_is_the_newest_and_for_a_new_declaration_the_coming_one() -> None:
    trigger, now = declared(catch_up=False), START + 30 * DAY + timedelta(hours=1)
    assert next_window(trigger, last=None, now=now) == Window(START + 30 * DAY, START + 31 * DAY)
    assert next_window(trigger, last=START, now=now) == Window(START + 29 * DAY, START + 30 * DAY)
    assert next_window(trigger, last=START + 29 * DAY, now=now) == Window(START + 30 * DAY, START + 31 * DAY)


def test_next_window_after_the_end_is_none() -> None:
    trigger = declared(end=START + 2 * DAY)
    assert next_window(trigger, last=START, now=START) == Window(START + DAY, START + 2 * DAY)
    assert next_window(trigger, last=START + DAY, now=START) is None


def test_closed_windows_delay_keeps_a_window_open() -> None:
    trigger, now = declared(delay="2h"), START + DAY + timedelta(hours=1)
    assert list(closed_windows(trigger, START, now, now=now)) == []
    later = now + timedelta(hours=1)
    assert list(closed_windows(trigger, START, later, now=later)) == [Window(START, START + DAY)]


def test_closed_windows_range_takes_those_that_begin_in_it() -> None:
    found = list(closed_windows(declared(), START + timedelta(hours=5), START + 3 * DAY, now=START + 30 * DAY))
    assert [window.start for window in found] == [START + DAY, START + 2 * DAY, START + 3 * DAY]
    assert list(closed_windows(declared(), START - 9 * DAY, START - DAY, now=START + 30 * DAY)) == []
