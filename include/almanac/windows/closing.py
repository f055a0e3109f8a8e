"""Closes windows: what lies in them, what is missing, and which have changed since."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.config.sections.pipelines import window_of_model
from almanac.config.sections.triggers import WindowTrigger
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.delta_table import BATCH
from almanac.errors import ConfigError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, Watermark, WindowRecord, WindowState
from almanac.windows.tumbling import following, window_at, window_of_key
from almanac.windows.window import Window

if TYPE_CHECKING:
    import polars as pl

_LOOKED_AT = "windows"  # the dataset version up to which all closed windows were looked at
_CLOSING = timedelta(days=1)
CLOSED = frozenset({WindowState.DONE, WindowState.EMPTY, WindowState.LATE})


@dataclass(frozen=True)
class WindowRows:
    """What lies in a window. `digest` is of the batches whose rows those are: a correction changes it too."""

    rows: int
    missing_steps: int
    digest: str


def declared_window(model: Declared) -> WindowTrigger:
    """The model's window trigger.

    Raises:
        ConfigError: it declares none.
    """
    trigger = window_of_model(model)
    if trigger is None:
        raise ConfigError(
            f"include/models/{model.name}.yaml: triggers: no window trigger; expected one of kind window."
            f" See docs/triggers.md."
        )
    return trigger


def window_of_run(model: Declared, partition_key: str | None) -> Window:
    """The window that a run is for.

    Raises:
        ConfigError: the run names none, or none of this model.
    """
    if not partition_key:
        raise ConfigError(
            f"window_{model.name}: the run names no window; got no partition key, expected the start of a window such"
            " as '2026-01-31T00:00:00'. Give it in the form of a manual run, or start a backfill."
        )
    return window_of_key(declared_window(model), partition_key)


def start_window(
    model: Declared, home: Home, journal: Journal, window: Window, *, run: RunRef, now: datetime
) -> tuple[str, ...]:
    """Write that the window waits, or runs; returns what it waits for."""
    waits_for = _open_upstreams(model, home, journal, window)
    state = WindowState.WAITING if waits_for else WindowState.RUNNING
    record = WindowRecord(model.name, window.start, window.end, state, now, run, reason="; ".join(waits_for))
    journal.record_window(record)
    return waits_for


def close_window(
    model: Declared, home: Home, journal: Journal, window: Window, *, run: RunRef, now: datetime
) -> WindowRecord:
    """Look at the dataset and write the window down as done or empty.

    Raises:
        TransientError: the store or the journal is unreachable.
    """
    snapshot = DatasetTable.of(home, model, journal).checked_snapshot()
    (content,) = _contents(model, snapshot, [window])
    state = WindowState.DONE if content.rows else WindowState.EMPTY
    record = _record(model, window, state, snapshot.version, content, run=run, now=now)
    journal.record_window(record)
    return record


def fail_window(journal: Journal, model: str, window: Window, *, reason: str, run: RunRef, now: datetime) -> None:
    """Write that the run of a window has failed for good."""
    journal.record_window(
        WindowRecord(model, window.start, window.end, WindowState.FAILED, now, run, reason=reason[:500])
    )


def reopen_windows(model: Declared, home: Home, journal: Journal, *, run: RunRef, now: datetime) -> list[WindowRecord]:
    """Write down as late the closed windows whose rows have changed since they were looked at, and return them.

    Only windows of months whose files have changed since the last look are looked at, and those that closed lately:
    they may have been closing, at an older version, during that look.

    Raises:
        TransientError: the store or the journal is unreachable.
    """
    snapshot = DatasetTable.of(home, model, journal).checked_snapshot()
    mark = journal.watermark(model.name, _LOOKED_AT)
    changed = None if mark is None else snapshot.changed_months(int(mark.value))
    since = None if mark is None else mark.recorded_at - _CLOSING
    closed = [
        record
        for record in journal.windows(model.name)
        if record.state in CLOSED
        and (changed is None or since is None or record.changed_at >= since or changed & months_of(_window_of(record)))
    ]
    windows = [_window_of(record) for record in closed]
    contents = _contents(model, snapshot, windows)
    late: list[WindowRecord] = []
    for record, window, content in zip(closed, windows, contents, strict=True):
        if content.digest != record.content:
            reopened = _record(model, window, WindowState.LATE, snapshot.version, content, run=run, now=now)
            late.append(replace(reopened, reason=f"{content.rows} rows, before {record.rows}"))
    for record in late:
        journal.record_window(record)
    journal.record_watermark(Watermark(model.name, _LOOKED_AT, str(snapshot.version), now, run))
    return late


def months_of(window: Window) -> frozenset[str]:
    """The months (`2021-01`) that a window has a part of."""
    months, day = set(), window.start
    while day < window.end:
        months.add(f"{day:%Y-%m}")
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return frozenset(months)


def _window_of(record: WindowRecord) -> Window:
    return Window(record.window_start, record.window_end)


def _record(
    model: Declared,
    window: Window,
    state: WindowState,
    version: int,
    content: WindowRows,
    *,
    run: RunRef,
    now: datetime,
) -> WindowRecord:
    return WindowRecord(
        model.name,
        window.start,
        window.end,
        state,
        now,
        run,
        rows=content.rows,
        missing_steps=content.missing_steps,
        content=content.digest,
        dataset_version=version,
    )


def _open_upstreams(model: Declared, home: Home, journal: Journal, window: Window) -> tuple[str, ...]:
    waits_for: list[str] = []
    for name in declared_window(model).depends_on:
        trigger = declared_window(find_model(home.models, name))
        covering = _covering(trigger, window)
        known = journal.windows(name, since=covering[0].start, until=covering[-1].end)
        closed = {(each.window_start, each.window_end) for each in known if each.state in CLOSED}
        waits_for += [f"{name} {each}" for each in covering if (each.start, each.end) not in closed]
    return tuple(waits_for)


def _covering(trigger: WindowTrigger, window: Window) -> Sequence[Window]:
    """The windows of a declaration that together hold a window of another."""
    found = [window_at(trigger, window.start)]
    while found[-1].end < window.end:
        found.append(following(found[-1]))
    return found


def _contents(model: Declared, snapshot: DatasetSnapshot, windows: Sequence[Window]) -> list[WindowRows]:
    time = model.dataset.time
    if snapshot.table is None or not windows:
        return [_content(model, None, window) for window in windows]
    since, until = min(window.start for window in windows), max(window.end for window in windows)
    months = sorted({month for window in windows for month in months_of(window)})
    rows = snapshot.rows([time, BATCH], since=since, until=until, months=months)
    return [_content(model, _rows_of(rows, time, window), window) for window in windows]


def _rows_of(rows: "pl.DataFrame", time: str, window: Window) -> "pl.DataFrame":
    # The rows are sorted by time: two searches instead of a filter over everything for every window.
    first, last = rows[time].search_sorted(window.start, "left"), rows[time].search_sorted(window.end, "left")
    return rows.slice(int(first), int(last) - int(first))


def _content(model: Declared, rows: "pl.DataFrame | None", window: Window) -> WindowRows:
    steps = (window.end - window.start) // model.dataset.step
    if rows is None:
        return WindowRows(0, steps, _digest(()))
    found = rows[model.dataset.time].n_unique()
    return WindowRows(rows.height, max(steps - found, 0), _digest(rows[BATCH].unique().to_list()))


def _digest(batches: Collection[str]) -> str:
    return hashlib.sha256("\n".join(sorted(batches)).encode()).hexdigest()
