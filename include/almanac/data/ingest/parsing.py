"""Reads text cells as the declared types. A cell that cannot be read is marked, never replaced."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.sections.dataset import Column, Dataset, Normalise
from almanac.data.formats.reader import ROW
from almanac.data.ingest.times import check_offsets, read_times, read_usual_times
from almanac.validation.rules import unparsed

if TYPE_CHECKING:
    import polars as pl

_SPACES = " \u00a0\u2009\u202f"  # those that programs put between groups of digits
_MAX_EXACT = 2**53  # whole numbers above are not all representable in a float


@dataclass(frozen=True)
class _Digits:
    """How the numbers of a column are written: the sign before fractions, and between groups of three digits."""

    decimal: str
    thousands: str = ""

    @classmethod
    def of(cls, column: Column, decimal: str) -> "_Digits":
        return cls(column.decimal or decimal, column.thousands or "")


def parse_cells(cells: "pl.DataFrame", dataset: Dataset, decimal: str, name: str) -> "pl.DataFrame":
    """Type the declared columns.

    Beside each column X that is no string there is `X.unparsed` (the text of an unreadable cell, else null), for the
    rules.

    Args:
        cells: all columns as text, and `_row`.
        dataset: the declared columns.
        decimal: `.` or `,`, where the column declares none.
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
    cell, how = pl.col(text.name), _Digits.of(declared, decimal)
    again = {
        "float": _number(cell, how),
        "integer": _whole(cell, how),
        "timestamp": read_times(cell, declared),
    }[declared.type]
    read = text.filter(failed).to_frame().select(again.alias(text.name)).to_series()
    whole = typed.scatter(failed.arg_true(), read) if read.null_count() < len(read) else typed
    if declared.type == "timestamp" and whole.null_count() == len(whole):
        check_offsets(text, declared, name)
    return whole


def _usual(text: "pl.Series", declared: Column, decimal: str) -> "pl.Expr":
    """Read cells that are written as most programs write them, quickly; null for all others."""
    import polars as pl

    cell, how = pl.col(text.name), _Digits.of(declared, decimal)
    match declared.type:
        case "float" if how == _Digits("."):
            number = cell.cast(pl.Float64, strict=False)
            return _finite(number)
        case "float":
            return _number(cell, how).alias(text.name)
        case "integer":
            return cell.cast(pl.Int64, strict=False)
        case "timestamp":
            return read_usual_times(text, declared).alias(text.name)
    return cell if declared.normalise is None else normalised(cell, declared.normalise)


def normalised(cell: "pl.Expr", how: Normalise) -> "pl.Expr":
    """A text without differences that are declared to mean nothing; empty becomes null."""
    import polars as pl

    plain = cell.str.strip_chars() if how.trim else cell
    plain = {"keep": plain, "lower": plain.str.to_lowercase(), "upper": plain.str.to_uppercase()}[how.case]
    plain = plain.replace(how.map) if how.map else plain
    return pl.when(plain != "").then(plain)


def read_numbers(cells: "pl.Series", declared: Column, decimal: str = ".") -> "pl.Series":
    """The numbers of a column of texts; null where a cell is empty or holds none."""
    import polars as pl

    number = _number(pl.col(cells.name), _Digits.of(declared, decimal))
    return cells.to_frame().select(number.alias(cells.name)).to_series()


def _number(text: "pl.Expr", how: "_Digits") -> "pl.Expr":
    """A finite number, else null. Signs of grouping are read where they are declared: what would `1,234` mean?"""
    import polars as pl

    plain = text.str.strip_chars()
    if how.thousands:
        plain = _ungrouped(plain, how)
    if how.decimal == ",":
        plain = pl.when(~plain.str.contains(".", literal=True)).then(plain.str.replace(",", ".", literal=True))
    number = plain.cast(pl.Float64, strict=False)
    return _finite(number)


def _finite(number: "pl.Expr") -> "pl.Expr":
    """The number where it is finite, else null; -0.0 and 0.0 are one value: polars leaves out an addition of 0.0."""
    import polars as pl

    return pl.when(number.is_finite() & (number != 0.0)).then(number).when(number == 0.0).then(pl.lit(0.0))


def _ungrouped(plain: "pl.Expr", how: "_Digits") -> "pl.Expr":
    """A number without the signs between its groups of three digits; null where they stand elsewhere."""
    import polars as pl

    sign = f"[{_SPACES}]" if how.thousands == " " else re.escape(how.thousands)
    grouped = plain.str.contains(rf"^[+-]?\d{{1,3}}(?:{sign}\d{{3}})+(?:{re.escape(how.decimal)}\d*)?$")
    digits = plain.str.replace_all(sign, "")
    return pl.when(grouped).then(digits).when(~plain.str.contains(sign)).then(plain)


def _whole(text: "pl.Expr", how: "_Digits") -> "pl.Expr":
    """A whole number; writers that know no empty integer write 251.0."""
    import polars as pl

    number = _number(text, how)
    whole = pl.when((number == number.round(0)) & (number.abs() < _MAX_EXACT)).then(number)
    return pl.coalesce(text.str.strip_chars().cast(pl.Int64, strict=False), whole.cast(pl.Int64, strict=False))
