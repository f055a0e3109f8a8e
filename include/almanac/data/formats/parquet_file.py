"""Reads Parquet, its values as text, so that the same checks read them as those of any other file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.types import check_timezone
from almanac.config.sections.dataset import Column, Dataset
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.header import check_header
from almanac.data.formats.records import ROW, Chunk, IncompleteFileError, make_chunk
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_RECORDS = 100_000
_OFFSET = re.compile(r"[+-]\d{2}:?\d{2}")
_YEARS_US = (-62_135_596_800_000_000, 253_370_764_800_000_000)  # from the year 1 to the year 9999
_UNITS = {"ms": 1000, "us": 1, "ns": None}  # nanoseconds do not reach as far


@dataclass(frozen=True)
class ParquetRecords:
    """The records of a Parquet file; only columns that somebody declared are opened."""

    content: FileContent
    columns: tuple[str, ...]
    warnings: tuple[str, ...]
    decimal: str = "."
    may_be_cut: bool = False

    def chunks(self) -> Iterator[Chunk]:
        """Read the file from its beginning."""
        import polars as pl

        done = 0
        with _opened(self.content) as file:
            for batch in _batches(file, self.columns, self.content.name):
                frame = pl.DataFrame(pl.from_arrow(_sound(batch, self.content.name))).select(self.columns)
                rows = pl.int_range(done + 1, done + frame.height + 1, eager=True).alias(ROW)
                done += frame.height
                yield make_chunk(frame.select(_as_text(name, frame[name].dtype) for name in frame.columns)
                                 .with_columns(rows), [])  # fmt: skip


def _batches(file: Any, columns: Sequence[str], name: str) -> Iterator[Any]:
    """The file's batches; only what reads it may call it damaged."""
    import pyarrow as pa

    batches = file.iter_batches(batch_size=_RECORDS, columns=list(columns))
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowInvalid, OSError) as error:
            said = str(error).splitlines()[0]
            raise DataError(
                f"{name}: damaged: its Parquet pages cannot be read: {said}. Deliver the file again."
            ) from error
        if batch is None:
            return
        yield batch


def _sound(batch: Any, name: str) -> Any:
    """The batch, of which every byte was looked at: polars trusts what it is given, and fails much later.

    Its times are in UTC already, whatever zone they are to be shown in.

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
            column.view(pa.timestamp(field.type.unit, "UTC")) if pa.types.is_timestamp(field.type) else column
        )
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def open_parquet(content: FileContent, dataset: Dataset) -> ParquetRecords:
    """Check the file and the types of its columns.

    Raises:
        IncompleteFileError: it has no footer.
        DataError: it is not what was declared.
    """
    if content.size_bytes == 0:
        raise DataError(f"{content.name}: empty file; got 0 bytes, expected a Parquet file. Deliver it again.")
    content.check_kind("Parquet")
    if content.is_packed():
        raise DataError(f"{content.name}: Parquet is compressed inside. Deliver it without another compression.")
    with _opened(content) as file:
        size = sum(file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups))
        schema = file.schema_arrow
    if size > content.max_unpacked_bytes:
        raise DataError(
            f"{content.name}: too large; got {size} bytes after unpacking, expected at most source.max_unpacked_mb."
            f" Deliver it in parts, or raise the limit."
        )
    warnings = check_header(schema.names, content.name, dataset)
    for name, column in dataset.columns.items():
        _check_type(name, column, schema.field(name).type, content.name)
    return ParquetRecords(content, tuple(dataset.columns), tuple(warnings))


def _opened(content: FileContent) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(content.path, page_checksum_verification=True)  # where its writer wrote them
    except (pa.ArrowInvalid, OSError) as error:
        raise IncompleteFileError(
            f"{content.name}: incomplete file: its Parquet footer cannot be read ({str(error).splitlines()[0]})."
            f" Deliver the whole file again."
        ) from error


def _check_type(name: str, column: Column, found: Any, file: str) -> None:
    import pyarrow.types as arrow

    of_texts = found.value_type if arrow.is_dictionary(found) else found
    is_text = any(kind(of_texts) for kind in (arrow.is_string, arrow.is_large_string, arrow.is_string_view))
    is_time = arrow.is_timestamp(found)
    is_number = arrow.is_integer(found) or arrow.is_floating(found) or arrow.is_decimal(found)
    if column.type == "timestamp" and is_time and found.tz is None:
        raise DataError(
            f"{file}: schema: {name}: timestamp without offset; got a column of local times, expected times with a"
            " zone (UTC-adjusted). Local times without an offset are ambiguous twice a year: write the zone."
        )
    fits = {"timestamp": is_time, "float": is_number, "integer": is_number, "string": is_text}
    if not (is_text or arrow.is_null(found) or fits[column.type]):
        raise DataError(
            f"{file}: schema: {name}: other type; got {found}, declared {column.type}. Write the column as declared."
        )
    if is_time and not _OFFSET.fullmatch(found.tz) and not _is_zone(found.tz):
        raise DataError(f"{file}: schema: {name}: unknown time zone; got {found.tz!r}, expected such as UTC.")
    if arrow.is_decimal256(found):
        raise DataError(
            f"{file}: schema: {name}: too many digits; got {found}, expected at most decimal128. Write 38 digits, or a"
            " double."
        )


def _is_zone(name: str) -> bool:
    try:
        check_timezone(name)
    except ValueError:
        return False
    return True


def _as_text(name: str, dtype: "pl.DataType") -> "pl.Expr":
    import polars as pl

    value = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        written, unit_us = "%Y-%m-%d %H:%M:%S%.6f+00:00", _UNITS[dtype.time_unit]
        if unit_us is None:
            return value.dt.strftime(written)
        units, (first, last) = value.to_physical(), (limit // unit_us for limit in _YEARS_US)
        readable = pl.when(units.is_between(first, last, closed="left")).then(value)  # polars panics at far years
        return readable.dt.strftime(written).fill_null(units.cast(pl.String) + f" {dtype.time_unit} since 1970")
    return pl.when(value.cast(pl.String) != "").then(value.cast(pl.String)).alias(name)
