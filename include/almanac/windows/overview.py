"""All windows of a model up to now, with the gaps between those that have run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from almanac.config.sections.triggers import WindowTrigger
from almanac.journal.records import RunRef, WindowRecord, WindowState
from almanac.windows.tumbling import closed_windows, first_window
from almanac.windows.window import Window

GAP = "gap"
_TO_DO = frozenset({GAP, WindowState.FAILED.value, WindowState.LATE.value})


@dataclass(frozen=True)
class WindowRow:
    """One window as people see it; `state` is the journal's, or `gap` for a closed window that never ran."""

    window: Window
    state: str
    rows: int = 0
    missing_steps: int = 0
    note: str = ""
    changed_at: datetime | None = None
    run: RunRef | None = None

    @property
    def is_to_do(self) -> bool:
        """Whether somebody should run it, or run it again."""
        return self.state in _TO_DO


def overview(trigger: WindowTrigger, records: Sequence[WindowRecord], *, now: datetime) -> list[WindowRow]:
    """Every window that has closed or has been looked at, the oldest first."""
    rows = {each.window: each for each in map(_row, records)}
    for window in closed_windows(trigger, first_window(trigger).start, now, now=now):
        rows.setdefault(window, WindowRow(window, GAP))
    return [rows[window] for window in sorted(rows)]


def to_do_ranges(rows: Sequence[WindowRow]) -> list[tuple[Window, Window]]:
    """The first and the last window of each unbroken range of windows to do: one backfill each."""
    return list(_ranges(rows))


def _ranges(rows: Sequence[WindowRow]) -> Iterator[tuple[Window, Window]]:
    first: Window | None = None
    last: Window | None = None
    for row in rows:
        if row.is_to_do:
            first, last = first or row.window, row.window
        elif first is not None and last is not None:
            yield first, last
            first = None
    if first is not None and last is not None:
        yield first, last


def _row(record: WindowRecord) -> WindowRow:
    window = Window(record.window_start, record.window_end)
    return WindowRow(
        window, record.state.value, record.rows, record.missing_steps, record.reason, record.changed_at, record.run
    )
