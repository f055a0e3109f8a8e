"""What a CSV shows of itself: its columns, its time, what tells its rows apart, and how far apart they are."""

import csv
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from almanac.config.sections.formats import DELIMITERS
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_MOST_ROWS = 500_000
_READABLE = 0.95  # of the cells of a column of times
_FEW = 20  # different texts: their list is a rule worth having
_TIMES = (
    "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z", "%Y-%m-%dT%H:%M%#z",
)  # fmt: skip
_LOCAL_TIMES = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


@dataclass(frozen=True)
class Seen:
    """One column.

    Attributes:
        nullable: whether cells are empty.
        values: its only values, if it is a text and they are few.
        low: the smallest number, `high` the largest.
        constant: no cell says anything else than another, empty ones apart.
    """

    name: str
    type: Literal["float", "integer", "string"]
    nullable: bool
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    constant: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """A CSV.

    Attributes:
        delimiter: between its cells.
        time: the column of event time.
        has_offset: whether its times say their offset.
        key: what identifies a row.
        step: the usual distance of neighbouring rows.
        span: from the first row to the last.
        columns: all but the time.
        frame: its cells; `time` parsed.
    """

    delimiter: str
    time: str
    has_offset: bool
    key: tuple[str, ...]
    step: timedelta
    span: timedelta
    columns: tuple[Seen, ...]
    frame: "pl.DataFrame"


def look_at(path: Path, *, time: str | None = None, texts: tuple[str, ...] = ()) -> Table:
    """Read a CSV and say what it shows.

    Args:
        path: of the file.
        time: the column of event time; None: the first whose cells are times.
        texts: columns that are taken as texts, whatever they look like.

    Raises:
        DataError: it cannot be read, has no column of times, or nothing that tells its rows apart.
    """
    import polars as pl

    try:
        with path.open(encoding="utf-8-sig") as file:
            delimiter = _delimiter(file.readline())
        frame = pl.read_csv(
            path, separator=delimiter, infer_schema_length=None, n_rows=_MOST_ROWS, glob=False,
            schema_overrides=dict.fromkeys(texts, pl.String),
        )  # fmt: skip
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8: {str(error).splitlines()[0]}") from error
    if time is not None and time not in frame.columns:
        raise DataError(f"{path}: --time: no column {time!r}; it has {frame.columns}")
    name, parsed, has_offset = _time_of(path, frame, time)
    frame = frame.with_columns(parsed.alias(name)).drop_nulls(name).sort(name)
    key = _key(path, frame, name)
    step = _step(path, frame, name, key[1:])
    span = frame[name][-1] - frame[name][0]
    columns = tuple(_seen(frame[column]) for column in frame.columns if column != name)
    return Table(delimiter, name, has_offset, key, step, span, columns, frame)


def _delimiter(header: str) -> str:
    cells = {delimiter: len(next(csv.reader([header], delimiter=delimiter), [])) for delimiter in DELIMITERS}
    return max(cells, key=lambda delimiter: cells[delimiter])


def _time_of(path: Path, frame: "pl.DataFrame", wanted: str | None) -> tuple[str, "pl.Series", bool]:
    import polars as pl

    for name in [wanted] if wanted else frame.columns:
        cells = frame[name]
        if cells.dtype != pl.String:
            continue
        for has_offset, patterns in ((True, _TIMES), (False, _LOCAL_TIMES)):
            for pattern in patterns:
                parsed = cells.str.strip_chars().str.to_datetime(pattern, time_unit="us", strict=False)
                if parsed.null_count() <= (1 - _READABLE) * len(parsed):
                    utc = parsed.dt.convert_time_zone("UTC") if has_offset else parsed.dt.replace_time_zone("UTC")
                    return name, utc, has_offset
    first = {name: frame[name][0] for name in ([wanted] if wanted else frame.columns) if frame.height}
    raise DataError(
        f"{path}: no column of times; got {first} in the first row, expected such as 2021-01-31T23:00:00+02:00, "
        "2021-01-31 23:00 or 2021-01-31. Write the times so, then draft again"
    )


def _key(path: Path, frame: "pl.DataFrame", time: str) -> tuple[str, ...]:
    """The time alone, or with one other column."""
    if frame[time].n_unique() == frame.height:
        return (time,)
    for other in (name for name in frame.columns if name != time and not frame.schema[name].is_float()):
        if frame.n_unique(subset=[time, other]) == frame.height:
            return time, other
    doubled = frame.height - frame[time].n_unique()
    raise DataError(
        f"{path}: {doubled} rows have the time of another row, and no single column tells them apart. Give each row a"
        " unique key, or remove the duplicate rows"
    )


def _step(path: Path, frame: "pl.DataFrame", time: str, keys: tuple[str, ...]) -> timedelta:
    import polars as pl

    apart = pl.col(time).diff().over(keys) if keys else pl.col(time).diff()
    found = frame.select(apart.alias("apart")).filter(pl.col("apart") > timedelta(0))["apart"].mode()
    if not len(found):
        raise DataError(f"{path}: one time only; got {frame.height} rows, expected several times")
    step = found.min()
    assert isinstance(step, timedelta)  # noqa: S101 - of a column of durations
    return max(timedelta(seconds=round(step.total_seconds())), timedelta(seconds=1))


def _seen(cells: "pl.Series") -> Seen:
    import polars as pl

    nullable = cells.null_count() > 0
    if cells.dtype.is_integer() or cells.dtype.is_float():
        low, high = (None if end is None else float(str(end)) for end in (cells.min(), cells.max()))
        kind: Literal["integer", "float"] = "integer" if cells.dtype.is_integer() else "float"
        return Seen(cells.name, kind, nullable, low=low, high=high, constant=low == high)
    texts = cells.cast(pl.String).str.strip_chars().drop_nulls().unique().sort().to_list()
    return Seen(
        cells.name, "string", nullable, values=tuple(texts) if len(texts) <= _FEW else (), constant=len(texts) <= 1
    )
