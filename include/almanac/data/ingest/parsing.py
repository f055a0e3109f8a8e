"""Reads text cells as the declared types. A cell that cannot be read is marked, never replaced."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from almanac.config.sections.dataset import Column, Dataset, Normalise
from almanac.data.formats.records import ROW
from almanac.errors import DataError
from almanac.validation.rules import unparsed

if TYPE_CHECKING:
    import polars as pl

_CLOCK = r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(\.\d+)?"
_LOCAL = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(\.\d+)?)?$"
_WITH_OFFSET = _CLOCK + r" ?(?:[Zz]|([+-]\d{2}):?(\d{2}))$"
_OFFSET = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)")
_USUAL_LENGTH = len("2021-01-31 23:00:00+02:00")
_YEARS = (1, 9998)  # Python's own times end with 9999, before the offset is taken off
_MAX_EXACT = 2**53  # whole numbers above are not all representable in a float


def parse_cells(cells: "pl.DataFrame", dataset: Dataset, decimal: str, name: str) -> "pl.DataFrame":
    """Type the declared columns.

    Beside each column X that is no string there is `X.unparsed` (the text of an unreadable cell, else null), for the
    rules.

    Args:
        cells: all columns as text, and `_row`.
        dataset: the declared columns.
        decimal: `.` or `,`.
        name: of the file, for messages.

    Returns:
        `_row`, the declared columns in their order, and the helper columns.

    Raises:
        DataError: a column of times has no offsets at all.
    """
    import polars as pl

    usual = cells.select(
        ROW, *(_usual(cells[column], declared, decimal) for column, declared in dataset.columns.items())
    )
    columns, helpers = [usual[ROW]], []
    for column, declared in dataset.columns.items():
        typed, text = usual[column], cells[column]
        if declared.type != "string":
            if typed.null_count() > text.null_count():
                typed = _look_closer(typed, text, declared, decimal, name)
            helpers.append(_unread(typed, text).alias(unparsed(column)))
        columns.append(typed)
    return pl.DataFrame([*columns, *helpers])


def _unread(typed: "pl.Series", text: "pl.Series") -> "pl.Series":
    import polars as pl

    if typed.null_count() == text.null_count():
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(text))
    return pl.select(pl.when(typed.is_null() & text.is_not_null()).then(text)).to_series()


def _look_closer(typed: "pl.Series", text: "pl.Series", declared: Column, decimal: str, name: str) -> "pl.Series":
    """Read the cells again that are not written in the usual way."""
    import polars as pl

    failed = typed.is_null() & text.is_not_null()
    cell = pl.col(text.name)
    again = {
        "float": _number(cell, decimal),
        "integer": _whole(cell, decimal),
        "timestamp": _time(cell, declared.timezone),
    }[declared.type]
    read = text.filter(failed).to_frame().select(again.alias(text.name)).to_series()
    whole = typed.scatter(failed.arg_true(), read) if read.null_count() < len(read) else typed
    if declared.type == "timestamp" and whole.null_count() == len(whole):
        _check_offsets(text, text.name, name)
    return whole


def _usual(text: "pl.Series", declared: Column, decimal: str) -> "pl.Expr":
    """Read cells that are written as most programs write them, quickly; null for all others."""
    import polars as pl

    cell = pl.col(text.name)
    match declared.type:
        case "float" if decimal == ".":
            number = cell.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number + 0.0)  # -0.0 and 0.0 are one value
        case "float":
            return _number(cell, decimal).alias(text.name)
        case "integer":
            return cell.cast(pl.Int64, strict=False)
        case "timestamp":
            return _usual_time(text).alias(text.name)
    return cell if declared.normalise is None else normalised(cell, declared.normalise)


def normalised(cell: "pl.Expr", how: Normalise) -> "pl.Expr":
    """A text without differences that are declared to mean nothing; empty becomes null."""
    import polars as pl

    plain = cell.str.strip_chars() if how.trim else cell
    plain = {"keep": plain, "lower": plain.str.to_lowercase(), "upper": plain.str.to_uppercase()}[how.case]
    plain = plain.replace(how.map) if how.map else plain
    return pl.when(plain != "").then(plain)


def _usual_time(text: "pl.Series") -> "pl.Expr":
    """Times such as `2021-01-31 23:00:00+02:00`: few different offsets, one place for everything."""
    import polars as pl

    cell = pl.col(text.name)
    offsets = text.str.tail(6).unique().drop_nulls()
    if len(offsets) > 1000:
        return pl.lit(None, pl.Datetime("us", "UTC"))
    shifts = {offset: _shift_us(match) for offset in offsets if (match := _OFFSET.fullmatch(offset))}
    first = text.drop_nulls().head(1).to_list()
    between = "T" if first and first[0][10:11] == "T" else " "
    clock = cell.str.head(19).str.to_datetime(f"%Y-%m-%d{between}%H:%M:%S", time_unit="us", strict=False)
    shift = cell.str.tail(6).replace_strict(shifts, default=None, return_dtype=pl.Int64).cast(pl.Duration("us"))
    time = (clock - shift).dt.replace_time_zone("UTC")
    fits = (cell.str.len_bytes() == _USUAL_LENGTH) & time.dt.year().is_between(*_YEARS)
    return pl.when(fits).then(time)


def _shift_us(match: re.Match[str]) -> int:
    sign, hours, minutes = match.groups()
    return (1 if sign == "+" else -1) * (timedelta(hours=int(hours), minutes=int(minutes)) // timedelta(microseconds=1))


def _number(text: "pl.Expr", decimal: str) -> "pl.Expr":
    """A finite number, else null. Signs of grouping are not read: who could say what `1,234` was meant to be?"""
    import polars as pl

    plain = text.str.strip_chars()
    if decimal == ",":
        plain = pl.when(~plain.str.contains(".", literal=True)).then(plain.str.replace(",", ".", literal=True))
    number = plain.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number + 0.0)


def _whole(text: "pl.Expr", decimal: str) -> "pl.Expr":
    """A whole number; writers that know no empty integer write 251.0."""
    import polars as pl

    number = _number(text, decimal)
    whole = pl.when((number == number.round(0)) & (number.abs() < _MAX_EXACT)).then(number)
    return pl.coalesce(text.str.strip_chars().cast(pl.Int64, strict=False), whole.cast(pl.Int64, strict=False))


def _time(text: "pl.Expr", timezone: str | None) -> "pl.Expr":
    """A time in UTC, else null. ISO 8601 with a date, at least minutes, and an offset; without one by `timezone`."""
    import polars as pl

    plain = text.str.strip_chars()
    parts = plain.str.extract_groups(_WITH_OFFSET).struct
    offset = parts.field("5").fill_null("+00") + parts.field("6").fill_null("00")
    seconds = parts.field("3").fill_null(":00") + parts.field("4").fill_null("")
    iso = parts.field("1") + " " + parts.field("2") + seconds + offset
    time = iso.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False)
    if timezone is not None:
        time = pl.coalesce(time, _local_time(plain, timezone))
    return pl.when(time.dt.year().is_between(*_YEARS)).then(time)


def _local_time(plain: "pl.Expr", timezone: str) -> "pl.Expr":
    """A time by this clock, or a day, which begins at its midnight. What the clock shows twice or never is null."""
    parts = plain.str.extract_groups(_LOCAL).struct
    clock = parts.field("2").fill_null("00:00") + parts.field("3").fill_null(":00") + parts.field("4").fill_null("")
    local = (parts.field("1") + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    return local.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


def _check_offsets(text: "pl.Series", column: str, name: str) -> None:
    plain = text.drop_nulls().str.strip_chars()
    naive = plain.filter(plain.str.contains(_CLOCK + "$"))
    if len(naive):
        raise DataError(
            f"{name}: schema: {column}: timestamp without offset; got {naive[0]!r}, expected"
            f" '2021-01-31T23:00:00+02:00' or '...Z'. Local times without an offset are ambiguous twice a year: write"
            " the offset, or declare the column's timezone."
        )
