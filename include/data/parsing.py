"""Reads text cells as the declared types. A cell that cannot be read is marked, never replaced."""

from typing import TYPE_CHECKING

from include.config.schema import Column, Dataset
from include.data.dataset import ROW
from include.errors import DataError
from include.validation.rules import given, unparsed

if TYPE_CHECKING:
    import polars as pl

_CLOCK = r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(\.\d+)?"
_WITH_OFFSET = _CLOCK + r" ?(?:[Zz]|([+-]\d{2}):?(\d{2}))$"
_YEARS = (1, 9998)  # Python's own times end with 9999, before the offset is taken off
_MAX_EXACT = 2**53  # whole numbers above are not all representable in a float


def parse_cells(cells: "pl.DataFrame", dataset: Dataset, decimal: str, name: str) -> "pl.DataFrame":
    """Type the declared columns.

    Beside each column X that is no string there is `X.unparsed` (the text of an unreadable cell, else null) and
    `X.given` (true where the cell was not empty, else null), for the rules.

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

    for column, declared in dataset.columns.items():
        if declared.type == "timestamp":
            _check_offsets(cells[column], column, name)
    typed = cells.select(ROW, *(_typed(column, declared, decimal) for column, declared in dataset.columns.items()))
    helpers = []
    for column, declared in dataset.columns.items():
        if declared.type != "string":
            text = cells[column]
            unreadable = typed[column].is_null() & text.is_not_null()
            helpers.append(pl.select(pl.when(unreadable).then(text)).to_series().alias(unparsed(column)))
            helpers.append(pl.select(pl.when(text.is_not_null()).then(True)).to_series().alias(given(column)))
    return typed.with_columns(helpers)


def _typed(column: str, declared: Column, decimal: str) -> "pl.Expr":
    import polars as pl

    text = pl.col(column)
    match declared.type:
        case "string":
            return text
        case "float":
            return _number(text, decimal).alias(column)
        case "integer":
            number = _number(text, decimal)  # writers that know no empty integer write 251.0
            whole = pl.when((number == number.round(0)) & (number.abs() < _MAX_EXACT)).then(number)
            return pl.coalesce(
                text.str.strip_chars().cast(pl.Int64, strict=False), whole.cast(pl.Int64, strict=False)
            ).alias(column)
        case "timestamp":
            return _time(text).alias(column)


def _number(text: "pl.Expr", decimal: str) -> "pl.Expr":
    """A finite number, else null. Signs of grouping are not read: who could say what `1,234` was meant to be?"""
    import polars as pl

    plain = text.str.strip_chars()
    if decimal == ",":
        plain = pl.when(~plain.str.contains(".", literal=True)).then(plain.str.replace(",", ".", literal=True))
    number = plain.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _time(text: "pl.Expr") -> "pl.Expr":
    """A time in UTC, else null. ISO 8601 with a date, at least minutes, and an offset."""
    import polars as pl

    plain = text.str.strip_chars()
    parts = plain.str.extract_groups(_WITH_OFFSET).struct
    offset = parts.field("5").fill_null("+00") + parts.field("6").fill_null("00")
    seconds = parts.field("3").fill_null(":00") + parts.field("4").fill_null("")
    iso = parts.field("1") + " " + parts.field("2") + seconds + offset
    time = iso.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False)
    return pl.when(time.dt.year().is_between(*_YEARS)).then(time)


def _check_offsets(text: "pl.Series", column: str, name: str) -> None:
    plain = text.drop_nulls().str.strip_chars()
    naive = plain.filter(plain.str.contains(_CLOCK + "$"))
    if len(naive) and not plain.str.contains(_WITH_OFFSET).any():
        raise DataError(
            f"{name}: schema: {column}: timestamp without offset; got {naive[0]!r}, expected"
            f" '2021-01-31T23:00:00+02:00' or '...Z'. Local times without an offset are ambiguous twice a year: write"
            f" the offset."
        )
