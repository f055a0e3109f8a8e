"""Reads files whose columns have types, their values as text: the same checks read them as those of any other."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.time_format import ISO
from almanac.config.grammar.types import check_timezone
from almanac.config.sections.dataset import Column, Dataset
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.header import check_header
from almanac.data.formats.reader import ROW, RecordChunk, make_chunk
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_OFFSET = re.compile(r"[+-]\d{2}:?\d{2}")
_YEARS_US = (-62_135_596_800_000_000, 253_370_764_800_000_000)  # from the year 1 to the year 9999
_UNITS = {"ms": 1000, "us": 1, "ns": None}  # nanoseconds do not reach as far


@dataclass(frozen=True)
class ColumnarRecords:
    """The records of a file with types; only columns that somebody declared are opened.

    Attributes:
        content: the file.
        dataset: the declared columns, under the file's names.
        batches: opens the file and gives these columns of it as arrow's record batches.
    """

    content: FileContent
    dataset: Dataset
    batches: Callable[[], Iterator[Any]]
    warnings: tuple[str, ...]
    decimal: str = "."
    may_be_cut: bool = False

    def chunks(self) -> Iterator[RecordChunk]:
        """Read the file from its beginning."""
        import polars as pl

        done, columns = 0, self.dataset.columns
        for batch in self.batches():
            frame = pl.DataFrame(pl.from_arrow(_sound(batch, self.content.name))).select(list(columns))
            rows = pl.int_range(done + 1, done + frame.height + 1, eager=True).alias(ROW)
            done += frame.height
            texts = [
                _as_text(name, frame[name].dtype, as_number=columns[name].type != "string") for name in frame.columns
            ]
            yield make_chunk(frame.select(texts).with_columns(rows), [])


def check_schema(schema: Any, name: str, dataset: Dataset) -> list[str]:
    """Check names and types of a file's columns, and return warnings.

    Args:
        schema: arrow's.
        name: of the file, for messages.
        dataset: the declared columns, under the file's names.

    Raises:
        DataError: a column is missing, doubled, or of another type.
    """
    warnings = check_header(schema.names, name, dataset)
    for column, declared in dataset.found_in(schema.names).columns.items():
        _check_type(column, declared, schema.field(column).type, name)
    return warnings


def _sound(batch: Any, name: str) -> Any:
    """The batch, of which every byte was looked at: polars trusts what it is given, and fails much later.

    Its times with a zone are in UTC already, whatever zone they are to be shown in.

    Raises:
        DataError: texts are not UTF-8, or a column is not what it says it is.
    """
    import pyarrow as pa

    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            said = str(error).splitlines()[0]
            raise DataError(
                f"{name}: {field.name}: not {field.type}, as the file says; {said}. Write texts as UTF-8, with a"
                " writer that checks them."
            ) from error
        columns.append(
            column.view(pa.timestamp(field.type.unit, "UTC"))
            if pa.types.is_timestamp(field.type) and field.type.tz is not None
            else column
        )
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _check_type(name: str, column: Column, found: Any, file: str) -> None:
    import pyarrow.types as arrow

    of_texts = found.value_type if arrow.is_dictionary(found) else found
    is_text = any(kind(of_texts) for kind in (arrow.is_string, arrow.is_large_string, arrow.is_string_view))
    is_time, is_day, is_bool = arrow.is_timestamp(found), arrow.is_date(found), arrow.is_boolean(found)
    is_number = arrow.is_integer(found) or arrow.is_floating(found) or arrow.is_decimal(found)
    if column.type == "timestamp" and (is_time or is_day):
        _check_times(name, column, found, file)
    fits = {
        "timestamp": is_time or is_day if column.format == ISO else is_number,
        "float": is_number,
        "integer": is_number or is_bool,
        "string": is_bool or arrow.is_integer(found),  # numbers of customers and the like
    }
    if not (is_text or arrow.is_null(found) or fits[column.type]):
        raise DataError(
            f"{file}: schema: {name}: other type; got {found}, declared {column.type}. Write the column as declared."
        )
    if is_time and found.tz is not None and not _OFFSET.fullmatch(found.tz) and not _is_zone(found.tz):
        raise DataError(f"{file}: schema: {name}: unknown time zone; got {found.tz!r}, expected such as UTC.")
    if arrow.is_decimal256(found):
        raise DataError(
            f"{file}: schema: {name}: too many digits; got {found}, expected at most decimal128. Write 38 digits, or a"
            " double."
        )


def _check_times(name: str, column: Column, found: Any, file: str) -> None:
    """Refuse a column of times that the declared format, or the clock that they are by, does not fit."""
    if column.format != ISO:
        raise DataError(
            f"{file}: schema: {name}: other type; got {found}, declared format {column.format!r}. Leave the format out"
            " where the file's type says that these are times."
        )
    if getattr(found, "tz", None) is None and column.timezone is None:
        raise DataError(
            f"{file}: schema: {name}: timestamp without offset; got a column of local times ({found}), expected times"
            " with a zone (UTC-adjusted). Local times without an offset are ambiguous twice a year: write the zone, or"
            " say whose clock it is (timezone of the column)."
        )


def _is_zone(name: str) -> bool:
    try:
        check_timezone(name)
    except ValueError:
        return False
    return True


def _as_text(name: str, dtype: "pl.DataType", *, as_number: bool) -> "pl.Expr":
    """The values as a text file would have them."""
    import polars as pl

    value = pl.col(name)
    if dtype == pl.Boolean:
        return value.cast(pl.Int8).cast(pl.String) if as_number else value.cast(pl.String)
    if isinstance(dtype, pl.Datetime):
        written, unit_us = "%Y-%m-%d %H:%M:%S%.6f" + ("+00:00" if dtype.time_zone else ""), _UNITS[dtype.time_unit]
        if unit_us is None:
            return value.dt.strftime(written)
        units, (first, last) = value.to_physical(), (limit // unit_us for limit in _YEARS_US)
        readable = pl.when(units.is_between(first, last, closed="left")).then(value)  # polars panics at far years
        return readable.dt.strftime(written).fill_null(units.cast(pl.String) + f" {dtype.time_unit} since 1970")
    return pl.when(value.cast(pl.String) != "").then(value.cast(pl.String)).alias(name)
