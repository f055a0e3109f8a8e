"""What files show of themselves: how they are written, their columns, their time, and what tells their rows apart."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.grammar.arrival_columns import TIME_WORD
from almanac.config.sections.dataset import Column
from almanac.config.sections.formats import AnyFormat, CsvFormat
from almanac.draft.columns import NOTHING, ProfiledColumn, look_at_column, usable_names
from almanac.draft.identity import find_identity
from almanac.draft.key import find_key, is_series
from almanac.draft.reading import Reading, read_files
from almanac.draft.times import NoTimesError, Times, find_times, step_of
from almanac.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class DeclaredForm:
    """What a person says of the file, where it does not show it itself; None: it is looked for.

    Attributes:
        time: the column of event time, or several with `+` between them; `arrival`: the rows have none.
        time_format: how its times are written.
        timezone: whose clock they show.
        origin: what elapsed times count from.
        names: of the columns of a file without a header.
        key: the columns that identify a row.
        group: the columns that say whose row it is, where rows have no time.
        texts: columns that are taken as texts, whatever they look like.
        needed: columns that are declared, whatever they look like, and are part of no key.
    """

    time: str | None = None
    time_format: str | None = None
    timezone: str | None = None
    origin: datetime | None = None
    names: tuple[str, ...] | None = None
    key: tuple[str, ...] | None = None
    group: tuple[str, ...] | None = None
    texts: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()


NOTHING_DECLARED = DeclaredForm()


@dataclass(frozen=True, eq=False)
class Table:
    """Files with a table.

    Attributes:
        reading: the files, `declared` what a person said of them.
        format: how they are written.
        time: the declared name of the event time, `times` what it is made of; None: the rows have no time.
        key: what identifies a row; nothing does where rows without a time are appended.
        group: whose row it is, where rows have no time and several are of one.
        step: the usual distance of neighbouring rows.
        span: from the first row to the last.
        columns: all but the time and what it is made of, and those of `ignored`, which only number the rows.
        is_series: whether rows of one key come again and again; else each row is an event of its own.
        frame: the typed rows that have a time, in its order; of a sample of large files.
        rows: how many the files have.
        notes: what was assumed, for people.
    """

    reading: Reading
    declared: DeclaredForm
    format: AnyFormat
    time: str
    times: Times | None
    key: tuple[str, ...]
    group: tuple[str, ...]
    step: timedelta
    span: timedelta
    columns: tuple[ProfiledColumn, ...]
    ignored: tuple[str, ...]
    is_series: bool
    frame: "pl.DataFrame"
    rows: int
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the first file."""
        return self.reading.names[0]


def look_at(path: Path, declared: DeclaredForm = NOTHING_DECLARED) -> Table:
    """Read a file, packed or not, and say what it shows.

    Raises:
        ConfigError: what is said of it cannot be, or it can be read in two ways.
        NoTimesError: it has no column of times.
        DataError: it cannot be read, or has nothing that tells its rows apart.
    """
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        return look_at_cells(read_files([path], Path(folder), names=declared.names), declared)


def look_at_cells(reading: Reading, declared: DeclaredForm = NOTHING_DECLARED) -> Table:
    """What the cells of files show.

    Raises:
        ConfigError: what is said of them cannot be, or they can be read in two ways.
        NoTimesError: they have no column of times, and nobody says that there is none.
        DataError: they have nothing that tells their rows apart.
    """
    import polars as pl

    form, cells, file = reading.format, reading.cells, reading.names[0]
    nothing = tuple(token for token in NOTHING if _occurs(cells, token))
    in_column = {} if isinstance(form, CsvFormat) else _nothing_by_column(cells, nothing)
    if nothing:
        form = form.model_copy(update={"nulls": nothing}) if isinstance(form, CsvFormat) else form
        cells = cells.with_columns(pl.when(~pl.all().str.strip_chars().is_in(nothing)).then(pl.all()))
    times = None if is_without_time(cells, declared) else _times_of(cells, file, declared)
    names = usable_names(tuple(cells.columns))
    sources = () if times is None else times.sources
    time = TIME_WORD if times is None else names[sources[0]] if len(sources) == 1 else _free("time", names)
    typed, columns = {} if times is None else {time: times.values.alias(time)}, []
    for source, name in names.items():
        if source not in sources and source != getattr(form, "row_names", None):
            as_text = bool({name, source} & set(declared.texts))
            seen, values = look_at_column(cells[source], name, as_text=as_text, runs=_runs(reading))
            columns.append(replace(seen, nulls=(*in_column.get(source, ()), *seen.nulls)))
            typed[name] = values.alias(name)
    form, columns = _common_decimal(form, columns)
    frame = pl.DataFrame(list(typed.values()))
    found = _without_time(frame, columns, declared) if times is None else _in_time(file, frame, time, columns, declared)
    kept = {*found.key, *found.group, *(names.get(name, name) for name in declared.needed)}
    ignored = tuple(seen.source for seen in columns if seen.counts_rows and seen.name not in kept)
    columns = [seen for seen in columns if seen.source not in ignored]
    notes = [*reading.notes, *found.notes, *(_notes_of_times(times) if times else []), *_notes_of(columns)]
    notes += _unnamed(form)
    if not reading.is_whole:
        notes.append(f"Of about {reading.rows:,} rows {cells.height:,} were looked at, in runs from all over")
    return Table(
        reading=reading,
        declared=declared,
        format=form,
        time=time,
        times=times,
        key=found.key,
        group=found.group,
        step=found.step,
        span=found.span,
        columns=tuple(columns),
        ignored=ignored,
        is_series=found.is_series,
        frame=found.frame,
        rows=reading.rows,
        notes=tuple(notes),
    )


def is_without_time(cells: "pl.DataFrame", declared: DeclaredForm) -> bool:
    """Whether a person says that the rows have no time; a column of this name is a column."""
    return declared.time == TIME_WORD and TIME_WORD not in cells.columns


@dataclass(frozen=True, eq=False)
class _Order:
    """How the rows of a table stand to each other; for the attributes see `Table`."""

    frame: "pl.DataFrame"
    key: tuple[str, ...]
    step: timedelta
    span: timedelta
    is_series: bool
    group: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _times_of(cells: "pl.DataFrame", file: str, declared: DeclaredForm) -> Times:
    return find_times(
        cells,
        file,
        wanted=declared.time,
        format=declared.time_format,
        timezone=declared.timezone,
        origin=declared.origin,
    )


def _in_time(
    file: str, frame: "pl.DataFrame", time: str, columns: list[ProfiledColumn], declared: DeclaredForm
) -> _Order:
    if declared.group:
        raise ConfigError(f"--group: folds of a table with a time are cut by that; got the time {time}. Leave it out")
    frame = frame.drop_nulls(time).sort(time)
    key = find_key(file, frame, time, columns, wanted=declared.key, labels=declared.needed)
    step = step_of(frame[time])
    if step is None:
        raise NoTimesError(f"{file}: one time only; got {frame.height} rows, expected several times")
    whole = max(timedelta(seconds=round(step.total_seconds())), timedelta(seconds=1))
    return _Order(frame, key, whole, frame[time][-1] - frame[time][0], is_series(frame, key))


def _without_time(frame: "pl.DataFrame", columns: list[ProfiledColumn], declared: DeclaredForm) -> _Order:
    key, group, notes = find_identity(frame, columns, key=declared.key, group=declared.group, labels=declared.needed)
    return _Order(frame, key, timedelta(seconds=1), timedelta(), False, group, notes)


def _notes_of_times(times: Times) -> list[str]:
    unreadable = times.values.null_count()
    unread = [f"{unreadable} of {len(times.values)} rows have no readable time"] if unreadable else []
    return [*times.notes, *unread]


def _unnamed(form: AnyFormat) -> list[str]:
    found = [name for name in getattr(form, "names", ()) if re.fullmatch(r"column_\d+", name)]
    return [f"The file has no name for {', '.join(found)}: name all columns with --names a,b,c"] if found else []


def _runs(reading: Reading) -> int:
    """How many runs of neighbouring rows were looked at, at most."""
    return 1 if reading.is_whole else 64


def _notes_of(columns: list[ProfiledColumn]) -> list[str]:
    notes = [f"{seen.name}: {seen.doubt}" for seen in columns if seen.doubt]
    notes += [
        f"{seen.name}: {seen.unread} cells are no numbers: such rows are quarantined" for seen in columns if seen.unread
    ]
    return notes + [
        f"{seen.name}: {', '.join(text or 'a cell of spaces' for text in seen.nulls)} is taken for an empty cell"
        for seen in columns
        if seen.nulls
    ]


def _nothing_by_column(cells: "pl.DataFrame", nothing: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The texts that mean an empty cell, by column; only text files have them in common."""
    found = {name: tuple(token for token in nothing if _occurs(cells.select(name), token)) for name in cells.columns}
    return {name: tokens for name, tokens in found.items() if tokens}


def _occurs(cells: "pl.DataFrame", token: str) -> bool:
    import polars as pl

    found = cells.select(pl.any_horizontal((pl.all().str.strip_chars() == token).any()))
    return bool(found.item())


def _free(name: str, names: Mapping[str, str]) -> str:
    taken = {other.casefold() for other in names.values()}
    return next(candidate for candidate in (name, f"event_{name}", f"{name}_of_row") if candidate not in taken)


def _common_decimal(form: AnyFormat, columns: list[ProfiledColumn]) -> tuple[AnyFormat, list[ProfiledColumn]]:
    """A decimal comma belongs to the file where no column has a point."""
    commas = [seen for seen in columns if seen.decimal == ","]
    points = [seen for seen in columns if seen.type == "float" and seen.decimal is None]
    if not isinstance(form, CsvFormat) or not commas or points or form.delimiter == ",":
        return form, columns
    return form.model_copy(update={"decimal": ","}), [
        replace(seen, decimal=None) if seen.thousands is None else seen for seen in columns
    ]


def declared_columns(table: Table) -> dict[str, Column]:
    """The columns as the YAML declares them."""
    columns = {}
    if (times := table.times) is not None:
        renamed = len(times.sources) == 1 and times.sources[0] != table.time
        columns[table.time] = times.column.model_copy(update={"from_": times.sources}) if renamed else times.column
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
