"""Which columns of a file say when each row was, and how these times are written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import product
from typing import TYPE_CHECKING

from almanac.config.grammar.arrival_columns import TIME_WORD
from almanac.config.sections.dataset import Column
from almanac.data.formats.bound import join_parts
from almanac.data.ingest.times import read_times
from almanac.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

_READABLE = 0.95  # of the cells of a column of times
_DAYS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d-%m-%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%m.%d.%Y",
    "%d-%m-%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%m/%d/%y",
    "%m-%d-%y",
    "%y/%m/%d",
    "%Y%m%d",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d-%b-%y",
    "%d %B %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%B %d, %Y",
    "%Y-%j",
)
_CLOCKS = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    "T%H:%M",
    "T%H:%M:%S",
    "T%H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    " %I:%M%p",
    " %H:%M:%S %p",
    " %H",
    "T%H%M%S",
    "%H%M%S",
    " %H%M",
    ", %H:%M",
    ":%H:%M:%S",
)
_OFFSETS = ("", "%z", " %z")
_PARTS = {
    "%Y": ("year", "yyyy", "yr", "jahr"),
    "%m": ("month", "mm", "mon", "mo", "mnth"),
    "%d": ("day", "dd", "dom"),
    "%H": ("hour", "hh", "hr"),
    "%M": ("minute", "mi", "min"),
    "%S": ("second", "ss", "sec"),
}
_NAMED = re.compile(r"time|date|day|when|stamp|\bts\b|epoch|hour|week|month", re.IGNORECASE)
_CLOCK_NAMED = re.compile(r"^(h|hr|hh|hour|time|clock|hour_?of_?day)$|_(hr|hour|time)$", re.IGNORECASE)
_SECONDS = re.compile(r"^(time|seconds?|secs?|elapsed.*|t)$", re.IGNORECASE)
_EPOCHS = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}
_EPOCH_S = (datetime(1990, 1, 1, tzinfo=UTC).timestamp(), datetime(2060, 1, 1, tzinfo=UTC).timestamp())
_EXCEL = (25_000, 60_000)  # days: from 1968 to 2064
_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
_SHOWN = 30  # cells that the formats are tried on before all are read


class AmbiguousTimesError(ConfigError):
    """Cells that can be read as other times.

    Args:
        column: the column, or several with `+` between them.
        formats: the ways.
        example: a cell.
    """

    def __init__(self, column: str, formats: tuple[str, ...], example: str) -> None:
        self.column, self.formats, self.example = column, formats, example
        ways = " or ".join(map(repr, formats))
        super().__init__(
            f"--time-format: {column} can be read in {len(formats)} ways in all rows; got for example {example!r}. Say"
            f" which it is: {ways}"
        )


class NoTimesError(DataError):
    """No column says when each row was."""


@dataclass(frozen=True, eq=False)
class Times:
    """The time of each row.

    Attributes:
        sources: the file's columns that it is made of.
        column: how it is declared.
        values: of each row, in UTC; null where it cannot be read.
        notes: what was assumed, for people.
    """

    sources: tuple[str, ...]
    column: Column
    values: "pl.Series"
    notes: tuple[str, ...] = ()


def find_times(
    frame: "pl.DataFrame",
    where: str,
    *,
    wanted: str | None = None,
    format: str | None = None,
    timezone: str | None = None,
    origin: datetime | None = None,
) -> Times:
    """The column of event time, or the columns that form one.

    Args:
        frame: the file's cells as texts.
        where: the file's name, for messages.
        wanted: the column, or several with `+` between them; None: it is looked for.
        format: how its times are written; None: it is looked for.
        timezone: whose clock they show; None: UTC.
        origin: with `elapsed`: what is counted from.

    Raises:
        ConfigError: what is wanted cannot be, or cells can be read in two ways.
        NoTimesError: no column holds times.
        DataError: the one that is wanted holds none.
    """
    asked = {"format": format, "timezone": timezone, "origin": origin}
    given = {name: value for name, value in asked.items() if value is not None}
    if wanted is not None:
        sources = tuple(wanted.split("+")) if wanted not in frame.columns else (wanted,)
        if unknown := [name for name in sources if name not in frame.columns]:
            raise ConfigError(f"--time: no column {unknown[0]!r}; {where} has {frame.columns}")
        if found := _of(frame, sources, given):
            return found
        cell = " ".join(str(frame[name].drop_nulls().first()) for name in sources)
        raise DataError(
            f"{where}: {wanted}: no times; got {cell!r}, expected such as 2021-01-31T23:00:00+02:00, 31/01/2021 23:00"
            " or 1612134000. Say how they are written (--time-format '%d/%m/%Y'), or choose another column (--time)"
        )
    names = sorted(frame.columns, key=lambda name: not _NAMED.search(name))
    tries = [*((name,) for name in names), *([parts] if (parts := _parts(frame.columns)) else [])]
    if len(parts) > 2:
        tries.insert(0, tries.pop())
    for sources in tries:
        if found := _of(frame, sources, given, named=all(_NAMED.search(name) for name in sources)):
            return _with_clock(frame, found, given)
    for name in names:
        if _SECONDS.match(name) and (found := _elapsed(frame, name, origin)):
            return found
    first = {name: frame[name][0] for name in frame.columns[:12]} if frame.height else {}
    raise NoTimesError(
        f"{where}: no column of times; got {first} in the first row, expected such as 2021-01-31T23:00:00+02:00,"
        " 31/01/2021 23:00, 20210131 or 1612134000. Name the column (--time) and how its times are written"
        f" (--time-format), or say that there is none (--time {TIME_WORD}): then the arrival of each file stands for it"
    )


def _of(
    frame: "pl.DataFrame", sources: Sequence[str], given: Mapping[str, object], *, named: bool = True
) -> Times | None:
    """These columns as times, if they are."""
    texts = frame[sources[0]] if len(sources) == 1 else frame.select(join_parts(sources).alias("time")).to_series()
    known = texts.drop_nulls()
    if known.is_empty():
        return None
    formats = [str(given["format"])] if "format" in given else list(_formats(known, sources, named=named))
    found = [(form, *_read(texts, form, given)) for form in formats]
    found = [one for one in found if one[2].count() >= _READABLE * len(known)]
    if not found:
        return None
    most = max(one[2].count() for one in found)
    best = [one for one in found if one[2].count() == most]
    form, column, values = _decided(best, sources, texts)
    return Times(tuple(sources), _named(column, sources), values, tuple(_notes(form, column, given)))


def _read(texts: "pl.Series", form: str, given: Mapping[str, object]) -> "tuple[Column, pl.Series]":
    import polars as pl

    zone = given.get("timezone", "UTC")
    declared: dict[str, object] = {"type": "timestamp", "format": form}
    offset = form == "iso" and bool(texts.drop_nulls().head(_SHOWN).str.contains(r"([Zz]|[+-]\d{2}:?\d{2})$").all())
    if not (offset or form.startswith(("epoch", "elapsed")) or "%z" in form):
        declared["timezone"] = zone
    if form.startswith("elapsed"):
        declared["origin"] = given.get("origin", _ORIGIN)
    column = Column.model_validate(declared)
    return column, texts.to_frame("time").select(read_times(pl.col("time"), column).alias("time")).to_series()


def _formats(known: "pl.Series", sources: Sequence[str], *, named: bool) -> list[str]:
    """The formats that some cells from all over the column are written in."""
    every = max(len(known) // _SHOWN, 1)
    cells = known.gather_every(every).unique(maintain_order=True).to_list()
    if len(sources) > 1:
        return _part_formats(sources, cells)
    if all(re.fullmatch(r"[+-]?\d+(\.\d+)?", cell.strip()) for cell in cells):
        return _counted(cells, named=named)
    if any(re.match(r"\s*\d{4}-\d{2}-\d{2}", cell) for cell in cells):
        return ["iso"]
    # Python compiles each pattern first, a millisecond: of a thousand, those are tried whose day the cell begins with.
    days = [day for day in _DAYS if any(_fits(cells[0].strip()[:end], day) for end in range(1, len(cells[0]) + 1))]
    patterns = [f"{day}{clock}{offset}" for day, clock, offset in product(days, _CLOCKS, _OFFSETS)]
    first = [form for form in patterns if _fits(cells[0], form)]
    return [form for form in first if sum(_fits(cell, form) for cell in cells) >= _READABLE * len(cells)]


def _part_formats(sources: Sequence[str], cells: Sequence[str]) -> list[str]:
    declared = {name: directive for directive, names in _PARTS.items() for name in names}
    if all(source.casefold() in declared for source in sources):
        return [" ".join(declared[source.casefold()] for source in sources)]
    clocks = ("%H:%M:%S", "%H:%M", "%I:%M %p", "%H.%M.%S", "%H", "%H%M")
    patterns = [
        f"{day} {clock}" for day, clock in product(_DAYS, clocks) if len(f"{day} {clock}".split()) == len(sources)
    ]
    return [form for form in patterns if sum(_fits(cell, form) for cell in cells) >= _READABLE * len(cells)]


def _counted(cells: Sequence[str], *, named: bool) -> list[str]:
    """Numbers that may be times: days such as 20210131, counts since 1970, days of a spreadsheet."""
    if all(len(cell.strip()) == 8 and _fits(cell, "%Y%m%d") and "1900" <= cell.strip()[:4] <= "2100" for cell in cells):
        return ["%Y%m%d"]
    numbers = [float(cell) for cell in cells]
    if not (named or (min(numbers) > _EPOCH_S[0] and numbers in (sorted(numbers), sorted(numbers, reverse=True)))):
        return []
    low, high = min(numbers), max(numbers)
    epochs = [
        f"epoch {unit}" for unit, per_s in _EPOCHS.items() if low > _EPOCH_S[0] * per_s and high < _EPOCH_S[1] * per_s
    ]
    return epochs or (["excel"] if _EXCEL[0] < low and high < _EXCEL[1] else [])


def _fits(cell: str, form: str) -> bool:
    try:
        datetime.strptime(cell.strip(), form)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True


def _decided(
    found: "Sequence[tuple[str, Column, pl.Series]]", sources: Sequence[str], texts: "pl.Series"
) -> "tuple[str, Column, pl.Series]":
    """The one way of reading; of several that give other times, the one in which the steps are regular.

    Raises:
        AmbiguousTimesError: nothing tells them apart.
    """
    different = [one for n, one in enumerate(found) if not any(one[2].equals(other[2]) for other in found[:n])]
    if len(different) == 1:
        return different[0]
    in_order = [
        one for one in different if one[2].drop_nulls().is_sorted() or one[2].drop_nulls().is_sorted(descending=True)
    ]
    if len(in_order) == 1:
        return in_order[0]
    example = next(text for n, text in enumerate(texts) if len({str(one[2][n]) for one in different}) > 1)
    raise AmbiguousTimesError("+".join(sources), tuple(form for form, _, _ in different), str(example))


def _named(column: Column, sources: Sequence[str]) -> Column:
    return column.model_copy(update={"from_": tuple(sources)}) if len(sources) > 1 else column


def _notes(form: str, column: Column, given: Mapping[str, object]) -> list[str]:
    notes = []
    if column.timezone is not None and "timezone" not in given:
        notes.append("Its times have no offset from UTC: they are taken as UTC. Otherwise: --timezone Europe/Berlin")
    if column.origin is not None and "origin" not in given:
        notes.append(f"It does not say what {form!r} counts from: {_ORIGIN:%Y-%m-%d} is assumed. Otherwise: --origin")
    return notes


def _parts(columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that together are one time: year, month, day and so on; or a date and a time of day."""
    folded = {name.casefold(): name for name in columns}
    parts = [next((folded[name] for name in names if name in folded), None) for names in _PARTS.values()]
    if all(parts[:3]):
        return tuple(part for part in parts if part is not None)
    day = next((folded[name] for name in ("date", "day", "datum") if name in folded), None)
    clock = next((folded[name] for name in ("time", "hour", "clock", "zeit") if name in folded), None)
    return (day, clock) if day and clock else ()


def _with_clock(frame: "pl.DataFrame", found: Times, given: Mapping[str, object]) -> Times:
    """Days, together with the column that says the hour or the clock, where there is one."""
    days = found.values
    in_days = bool((days.drop_nulls().dt.convert_time_zone("UTC").dt.time() == time()).all())
    if len(found.sources) > 1 or not in_days or days.n_unique() == len(days) or "timezone" in given:
        return found
    for name in (name for name in frame.columns if name not in found.sources and _CLOCK_NAMED.search(name)):
        day = "%Y-%m-%d" if found.column.format == "iso" else found.column.format
        for clock in ("%H", "%H:%M", "%H:%M:%S", "%I:%M %p"):
            both = _of(frame, (*found.sources, name), {**given, "format": f"{day} {clock}"})
            if both is not None and both.values.n_unique() > 2 * days.n_unique():
                return both
    return found


def _elapsed(frame: "pl.DataFrame", name: str, origin: datetime | None) -> Times | None:
    """A column of seconds since some moment: numbers from zero on, that never fall."""
    import polars as pl

    numbers = frame[name].cast(pl.Float64, strict=False)
    if numbers.null_count() or not len(numbers) or float(str(numbers[0])) < 0 or not numbers.is_sorted():
        return None
    given = {} if origin is None else {"origin": origin}
    column, values = _read(frame[name], "elapsed s", given)
    return Times((name,), column, values, tuple(_notes("elapsed s", column, given)))


def step_of(times: "pl.Series") -> timedelta | None:
    """The usual distance of neighbouring times; None: there is one time only."""
    apart = times.drop_nulls().unique().sort().diff().drop_nulls()
    found = apart.mode().min()
    return found if isinstance(found, timedelta) else None
