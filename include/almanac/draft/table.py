"""What a file shows of itself: how it is written, its columns, its time, and what tells its rows apart."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.sections.dataset import Column, Dataset
from almanac.config.sections.formats import CsvFormat
from almanac.data.formats.csv_file import CsvRecords, open_csv
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.reader import ROW
from almanac.draft.columns import NOTHING, ProfiledColumn, look_at_column, usable_names
from almanac.draft.dialect import find_format
from almanac.draft.times import Times, find_times, step_of
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_MOST_ROWS = 400_000
_MOST_UNPACKED = 64 << 30
_BLOCK = 4 << 20
_KEY_COLUMNS = 4  # beside the time
_REPEATED = 3  # rows of one key, in the mean, and they are a series


@dataclass(frozen=True)
class DeclaredForm:
    """What a person says of the file, where it does not show it itself; None: it is looked for.

    Attributes:
        time: the column of event time, or several with `+` between them.
        time_format: how its times are written.
        timezone: whose clock they show.
        origin: what elapsed times count from.
        names: of the columns of a file without a header.
        key: the columns that identify a row.
        texts: columns that are taken as texts, whatever they look like.
        needed: columns that are declared, whatever they look like.
    """

    time: str | None = None
    time_format: str | None = None
    timezone: str | None = None
    origin: datetime | None = None
    names: tuple[str, ...] | None = None
    key: tuple[str, ...] | None = None
    texts: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()


NOTHING_DECLARED = DeclaredForm()


@dataclass(frozen=True, eq=False)
class Table:
    """A file with a table.

    Attributes:
        format: how it is written.
        time: the declared name of the event time, `times` what it is made of.
        key: what identifies a row.
        step: the usual distance of neighbouring rows.
        span: from the first row to the last.
        columns: all but the time and what it is made of, and those of `ignored`, which only number the rows.
        is_series: whether rows of one key come again and again; else each row is an event of its own.
        frame: the typed rows that have a time, in its order; evenly spaced ones of a large file.
        rows: how many the file has.
        notes: what was assumed, for people.
    """

    format: CsvFormat
    time: str
    times: Times
    key: tuple[str, ...]
    step: timedelta
    span: timedelta
    columns: tuple[ProfiledColumn, ...]
    ignored: tuple[str, ...]
    is_series: bool
    frame: "pl.DataFrame"
    rows: int
    notes: tuple[str, ...]


def look_at(path: Path, declared: DeclaredForm = NOTHING_DECLARED) -> Table:
    """Read a file of text, packed or not, and say what it shows.

    Raises:
        ConfigError: what is said of it cannot be, or it can be read in two ways.
        DataError: it cannot be read, has no column of times, or nothing that tells its rows apart.
    """
    import polars as pl

    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        content = FileContent.copy(_blocks(path), path.name, Path(folder), _MOST_UNPACKED)
        form = find_format(content)
        if declared.names is not None:
            form = form.model_copy(update={"header": "none", "names": declared.names, "row_names": None})
        cells, rows, records = _read(content, form)
    names = usable_names(tuple(name for name in cells.columns if name != ROW))
    nothing = tuple(token for token in NOTHING if _occurs(cells, token))
    if nothing:
        form = form.model_copy(update={"nulls": nothing})
        cells = cells.with_columns(pl.when(~pl.exclude(ROW).str.strip_chars().is_in(nothing)).then(pl.exclude(ROW)))
    times = find_times(
        cells.drop(ROW),
        path.name,
        wanted=declared.time,
        format=declared.time_format,
        timezone=declared.timezone,
        origin=declared.origin,
    )
    time = names[times.sources[0]] if len(times.sources) == 1 else _free("time", names)
    typed, columns = {time: times.values.alias(time)}, []
    for source, name in names.items():
        if source not in times.sources and source != form.row_names:
            seen, values = look_at_column(
                cells[source], name, as_text=name in declared.texts or source in declared.texts
            )
            columns.append(seen)
            typed[name] = values.alias(name)
    frame = pl.DataFrame(list(typed.values())).drop_nulls(time).sort(time)
    form, columns = _common_decimal(form, columns)
    key = _key(path.name, frame, time, columns, declared.key)
    kept = {*key, *(names.get(name, name) for name in declared.needed)}
    ignored = tuple(seen.source for seen in columns if seen.counts_rows and seen.name not in kept)
    columns = [seen for seen in columns if seen.source not in ignored]
    step = step_of(frame[time])
    if step is None:
        raise DataError(f"{path.name}: one time only; got {rows} rows, expected several times")
    unreadable = times.values.null_count()
    notes = [
        *records.warnings,
        *times.notes,
        *([f"{unreadable} of {len(times.values)} rows have no readable time"] if unreadable else []),
        *_notes_of(columns),
        *(
            [f"{path.name} has no header: name its columns with --names a,b,c"]
            if form.names and not declared.names
            else []
        ),
    ]
    span = frame[time][-1] - frame[time][0]
    whole = max(timedelta(seconds=round(step.total_seconds())), timedelta(seconds=1))
    return Table(
        form,
        time,
        times,
        key,
        whole,
        span,
        tuple(columns),
        ignored,
        _repeats(frame, key[1:]),
        frame,
        rows,
        tuple(notes),
    )


def _notes_of(columns: list[ProfiledColumn]) -> list[str]:
    notes = [f"{seen.name}: {seen.doubt}" for seen in columns if seen.doubt]
    notes += [
        f"{seen.name}: {seen.unread} cells are no numbers: such rows are quarantined" for seen in columns if seen.unread
    ]
    return notes + [
        f"{seen.name}: {', '.join(seen.nulls)} is taken for an empty cell" for seen in columns if seen.nulls
    ]


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _read(content: FileContent, form: CsvFormat) -> "tuple[pl.DataFrame, int, CsvRecords]":
    """The cells as texts, evenly spaced ones of a large file; the number of records; and how they were opened."""
    import polars as pl

    anything = Dataset.model_construct(
        columns={},
        time="",
        key=(),
        step=timedelta(1),
        ignored_columns=(),
        on_unexpected_column="drop",
        max_bad_share=1.0,
        origin="",
        licence="",
    )
    records = open_csv(content, form, anything)
    declared = tuple(
        warning for warning in records.warnings if not warning.startswith("schema: ")
    )  # no column is declared
    known = records.dataset.model_copy(update={"time": records.columns()[0]})
    records = replace(records, dataset=known, warnings=declared)
    kept: list[pl.DataFrame] = []
    rows, every = 0, 1
    for chunk in records.chunks():
        rows += chunk.cells.height + chunk.malformed.height
        kept.append(chunk.cells.filter(pl.col(ROW) % every == 0))
        while sum(frame.height for frame in kept) > _MOST_ROWS:
            every *= 2
            kept = [frame.filter(pl.col(ROW) % every == 0) for frame in kept]
    if not rows:
        raise DataError(f"{content.name}: no rows; got a header alone")
    return pl.concat(kept), rows, records


def _occurs(cells: "pl.DataFrame", token: str) -> bool:
    import polars as pl

    found = cells.select(pl.any_horizontal((pl.exclude(ROW).str.strip_chars() == token).any()))
    return bool(found.item())


def _free(name: str, names: Mapping[str, str]) -> str:
    taken = {other.casefold() for other in names.values()}
    return next(candidate for candidate in (name, f"event_{name}", f"{name}_of_row") if candidate not in taken)


def _common_decimal(form: CsvFormat, columns: list[ProfiledColumn]) -> tuple[CsvFormat, list[ProfiledColumn]]:
    """A decimal comma belongs to the file where no column has a point."""
    commas = [seen for seen in columns if seen.decimal == ","]
    points = [seen for seen in columns if seen.type == "float" and seen.decimal is None]
    if not commas or points or form.delimiter == ",":
        return form, columns
    return form.model_copy(update={"decimal": ","}), [
        replace(seen, decimal=None) if seen.thousands is None else seen for seen in columns
    ]


def _key(
    name: str, frame: "pl.DataFrame", time: str, columns: list[ProfiledColumn], wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """The time alone, or with as few other columns as tell the rows apart."""
    if wanted is not None:
        return wanted if time in wanted else (time, *wanted)
    counters = [seen.name for seen in columns if seen.counts_rows]
    rows = frame.drop(counters).unique()  # a row that is there twice is dropped by ingest, whatever its number
    if rows[time].n_unique() == rows.height:
        return (time,)
    rows = frame.unique()
    named = [seen.name for seen in columns if seen.type != "float" and not seen.constant]
    others = sorted((column for column in named if not rows[column].null_count()), key=counters.__contains__)
    for count in range(1, _KEY_COLUMNS + 1):
        for chosen in combinations(others[:12], count):
            if rows.n_unique(subset=[time, *chosen]) == rows.height:
                return (time, *chosen)
    doubled = rows.height - rows[time].n_unique()
    raise DataError(
        f"{name}: {doubled} rows have the time of another row, and no {_KEY_COLUMNS} columns beside it tell them apart."
        " Give each row a key of its own, or name its columns (--key)"
    )


def _repeats(frame: "pl.DataFrame", key: tuple[str, ...]) -> bool:
    return not key or frame.height >= _REPEATED * frame.n_unique(subset=list(key))


def declared_columns(table: Table) -> dict[str, Column]:
    """The columns as the YAML declares them."""
    columns = {table.time: table.times.column}
    if len(table.times.sources) == 1 and table.times.sources[0] != table.time:
        columns[table.time] = table.times.column.model_copy(update={"from_": table.times.sources})
    for seen in table.columns:
        columns[seen.name] = Column(
            type=seen.type,
            nullable=seen.nullable or seen.unread > 0,
            values=seen.values or None,
            decimal=seen.decimal,
            thousands=seen.thousands,
            nulls=seen.nulls,
            from_=() if seen.source == seen.name else (seen.source,),
            description="" if seen.low is None else f"seen from {seen.low:g} to {seen.high:g}",
        )
    return columns
