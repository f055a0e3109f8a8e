"""What tells the rows of one time apart: nothing, the series of a panel, or an id of each event."""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from almanac.draft.columns import ProfiledColumn
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_MOST_COLUMNS = 4  # beside the time
_MOST_TRIED = 12
_RARE = 0.01  # so few doubled times are no habit of the file
_REPEATED = 3  # rows of one key, in the mean, and they may be a series
_FILLED = 0.1  # of all pairs of a time and a key: events of many customers fill far fewer
ID = re.compile(
    r"(?i:(?:^|[_ .-])(?:id|uuid|guid|number|nr|no|ref|reference|key|code))$|[a-z](?:ID|Id|No|Nr|Key|Code)$"
)
"""Names of columns that number or name things."""


def find_key(
    name: str,
    frame: "pl.DataFrame",
    time: str,
    columns: Sequence[ProfiledColumn],
    *,
    wanted: Sequence[str] | None,
    labels: Collection[str],
) -> tuple[str, ...]:
    """The time alone, or with as few other columns as tell the rows apart.

    Of several ways the first of these is taken: the series of a panel, whose keys come again and again; an id, which is
    another in each row; any other.

    Args:
        name: of the file, for messages.
        frame: the typed rows.
        time: the column of event time.
        columns: the others.
        wanted: what a person says; None: it is looked for.
        labels: columns that are predicted: they identify nothing.

    Raises:
        DataError: no few columns tell the rows apart.
    """
    if wanted is not None:
        return tuple(wanted) if time in wanted else (time, *wanted)
    counters = [seen.name for seen in columns if seen.counts_rows]
    rows = frame.drop(counters).unique()  # a row that is there twice is dropped by ingest, whatever its number
    if rows[time].n_unique() == rows.height:
        return (time,)
    rows = frame.unique()
    unique, other = None, None
    for chosen in _candidates(rows, columns, labels):
        if rows.n_unique(subset=[time, *chosen]) < rows.height:
            continue
        key = (time, *chosen)
        if len(chosen) == 1 and chosen[0] not in counters and is_series(rows, key):
            return key
        if len(chosen) > 1 and not unique and is_series(rows, key):
            return key
        if len(chosen) == 1 and _is_id(rows, chosen[0]):
            unique = unique or key
        other = other or key
    doubled = rows.height - rows[time].n_unique()
    if (found := unique or other) and found[1:] == tuple(counters[:1]) and doubled < _RARE * rows.height:
        raise DataError(
            f"{name}: {doubled} of {rows.height} rows have the time of another row, and only their numbers"
            f" ({found[1]}) tell them apart. If a clock was set back: say whose (--timezone Europe/Berlin). If each row"
            f" is an event of its own: --key {','.join(found)}"
        )
    if found:
        return found
    raise DataError(
        f"{name}: {doubled} rows have the time of another row, and no {_MOST_COLUMNS} columns beside it tell them"
        " apart. Give each row a key of its own, or name its columns (--key)"
    )


def is_series(frame: "pl.DataFrame", key: Sequence[str]) -> bool:
    """Whether rows of one key come again and again, at times that the other keys have, too; else each is an event.

    Args:
        frame: the typed rows.
        key: the time first, and what stands beside it.
    """
    time, *others = key
    if not others:
        return True
    keys = frame.n_unique(subset=others)
    return frame.height >= _REPEATED * keys and frame.height >= _FILLED * keys * frame[time].n_unique()


def _candidates(
    rows: "pl.DataFrame", columns: Sequence[ProfiledColumn], labels: Collection[str]
) -> Iterator[tuple[str, ...]]:
    """Columns that may identify a row, fewest first; of as many those of few values first: shops before prices."""
    usable = [
        seen
        for seen in columns
        if seen.type != "float"
        and not seen.constant
        and not {seen.name, seen.source} & set(labels)
        and not rows[seen.name].null_count()
    ]
    ranked = sorted(usable, key=lambda seen: (seen.counts_rows, seen.type != "string", seen.distinct))
    ids = [seen.name for seen in ranked if ID.search(seen.source)]
    names = list(dict.fromkeys([*(seen.name for seen in ranked[:_MOST_TRIED]), *ids[:_MOST_TRIED]]))
    for count in range(1, _MOST_COLUMNS + 1):
        yield from combinations(names, count)


def _is_id(rows: "pl.DataFrame", name: str) -> bool:
    return bool(ID.search(name)) and rows[name].n_unique() == rows.height
