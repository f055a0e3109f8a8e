"""Which windows are to be scored, in chunks that fit into memory whatever the size of the dataset."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.config.sections.joins import Join
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.model_rows import ModelRows, dataset_joined
from almanac.windows.window import window_of

CHUNK_ROWS = 200_000
"""Rows that are read, scored and written at once; a single window may be larger."""


@dataclass(frozen=True)
class WindowChunk:
    """Windows that follow one another, from `start` to `end`, and what their rows came from."""

    start: datetime
    end: datetime
    contents: Mapping[datetime, str]


@dataclass(frozen=True)
class WindowContent:
    """One window of the dataset: its rows, and a digest of whatever its predictions depend on."""

    start: datetime
    rows: int
    digest: str


def window_contents(
    rows: ModelRows, *, size: timedelta, history: timedelta, since: datetime, until: datetime | None
) -> list[WindowContent]:
    """The windows from `since` on that have rows, the oldest first.

    The digest is made of the batches that the window's rows came from, and those of the windows that features look
    back into, also in joined datasets: it changes when rows are added, corrected or readmitted there.
    """
    dataset, version = DatasetTable.of(rows.home, rows.model), rows.version
    earliest = window_of(since - history, size).start  # whole windows: part of one would have another digest
    batches = dataset.batches_by_window(size, version=version, since=earliest, until=until)
    lines = {start: "\n".join(f"{batch} {rows}" for batch, rows in sorted(of.items())) for start, of in batches.items()}
    others = [_joined_lines(rows, join, size, earliest, until) for join in rows.model.joins.values()]
    found = []
    for start in sorted(start for start in batches if start >= since):
        back = window_of(start - history, size).start
        seen = [lines[one] for one in _starts(back, start, size) if one in lines]
        for reach, of_other in others:
            first = window_of(start - history - reach, size).start
            seen += [of_other[one] for one in _starts(first, start, size) if one in of_other]
        digest = hashlib.sha256("\n\n".join(seen).encode()).hexdigest()[:16]
        found.append(WindowContent(start, sum(batches[start].values()), digest))
    return found


def _joined_lines(
    rows: ModelRows, join: Join, size: timedelta, earliest: datetime, until: datetime | None
) -> tuple[timedelta, dict[datetime, str]]:
    """How far a join looks back, and what stands in each window of its dataset, in words that change when it does."""
    since = window_of(earliest - join.tolerance, size).start
    batches = dataset_joined(rows.home, join.model, time=join.time).batches_by_window(
        size, version=rows.joined[join.model], since=since, until=until
    )
    return join.tolerance, {
        start: "\n".join(f"{join.model} {batch} {count}" for batch, count in sorted(of.items()))
        for start, of in batches.items()
    }


def chunks(
    windows: Sequence[WindowContent], chosen: Sequence[WindowContent], size: timedelta, *, rows: int = CHUNK_ROWS
) -> Iterator[WindowChunk]:
    """Put chosen windows together as long as no other window with rows lies between them and they stay small."""
    positions = {window.start: position for position, window in enumerate(windows)}
    group: list[WindowContent] = []
    for window in chosen:
        follows = bool(group) and positions[window.start] == positions[group[-1].start] + 1
        if group and (not follows or sum(one.rows for one in group) + window.rows > rows):
            yield _chunk(group, size)
            group = []
        group.append(window)
    if group:
        yield _chunk(group, size)


def _chunk(windows: Sequence[WindowContent], size: timedelta) -> WindowChunk:
    contents = {window.start: window.digest for window in windows}
    return WindowChunk(windows[0].start, windows[-1].start + size, contents)


def _starts(first: datetime, last: datetime, size: timedelta) -> list[datetime]:
    count = (last - first) // size
    return [first + number * size for number in range(count + 1)]
