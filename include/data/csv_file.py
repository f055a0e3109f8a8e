"""Checks a CSV file as a file, and reads its cells as text. Nothing is guessed: what is not as declared is rejected."""

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.config.schema import Dataset, Source
from include.data.dataset import ROW
from include.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PAR1": "Parquet",
    b"PK\x03\x04": "ZIP or Excel",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_BOM = b"\xef\xbb\xbf"
_OTHER_DELIMITERS = ",;\t|:"


class IncompleteFileError(DataError):
    """The file ends in the middle of a record: it may still be growing, or was cut off."""


@dataclass(frozen=True)
class CsvText:
    """The cells of a file as text, all of its columns, with `_row`: the number of the record, from 1."""

    cells: "pl.DataFrame"
    blank_records: int
    warnings: tuple[str, ...]


def read_csv(content: bytes, name: str, source: Source, dataset: Dataset) -> CsvText:
    """Check the file and read its records.

    Args:
        content: its bytes.
        name: for messages.
        source: how it should be written.
        dataset: the columns it should have.

    Raises:
        IncompleteFileError: it ends in the middle of a record.
        DataError: it is not what was declared; says where, what, got, expected and what to do.
    """
    _check_bytes(content, name)
    warnings = []
    if content.startswith(_BOM):
        content = content.removeprefix(_BOM)
        warnings.append("byte-order mark stripped")
    header = _read_header(content, source.format.delimiter)
    whole = content.endswith((b"\n", b"\r"))
    if not whole and _last_record_is_short(content, len(header), source.format.delimiter, dataset, header):
        raise IncompleteFileError(
            f"{name}: incomplete file: its last record is short and has no line end; got {content[-60:]!r}, expected"
            f" {len(header)} fields. Deliver the whole file again."
        )
    warnings += _check_header(header, name, source.format.delimiter, dataset)
    if not whole:
        warnings.append("the last record has no line end")
    cells = _read_cells(content, name, header, source.format.delimiter)
    filled = _without_blank_records(cells, header)
    return CsvText(filled, cells.height - filled.height, tuple(warnings))


def _check_bytes(content: bytes, name: str) -> None:
    if not content.strip():
        raise DataError(
            f"{name}: empty file; got {len(content)} bytes, expected a header and records. Deliver it again."
        )
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            raise DataError(f"{name}: not CSV; got the first bytes of {kind}, expected UTF-8 text. Deliver plain CSV.")
    if (at := content.find(b"\0")) >= 0:
        raise DataError(
            f"{name}: line {_line(content, at)}: NUL byte; got {content.count(0)} of them, expected text only. The file"
            f" was damaged on its way or on its disk: deliver it again."
        )
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: line {_line(content, error.start)}: not UTF-8; got byte 0x{content[error.start]:02x}. Write the"
            f" file as UTF-8."
        ) from error


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def _fields(line: bytes, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8").rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _read_header(content: bytes, delimiter: str) -> list[str]:
    return [field.strip() for field in _fields(content.split(b"\n", 1)[0], delimiter)]


def _last_record_is_short(content: bytes, width: int, delimiter: str, dataset: Dataset, header: list[str]) -> bool:
    last = content.rsplit(b"\n", 1)[-1]
    if b"\n" not in content:  # the header itself may have been cut
        return any(column not in header for column in dataset.columns)
    return len(_fields(last, delimiter)) < width


def _check_header(header: list[str], name: str, delimiter: str, dataset: Dataset) -> list[str]:
    """Check the columns by name and return warnings."""
    missing = [column for column in dataset.columns if column not in header]
    if missing:
        raise DataError(f"{name}: {_why_missing(header, missing, delimiter, dataset)}")
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise DataError(f"{name}: header: columns given twice; got {doubled}. Name each column once.")
    unexpected = [column for column in header if column not in {*dataset.columns, *dataset.ignored_columns}]
    if unexpected and dataset.on_unexpected_column == "reject":
        raise DataError(
            f"{name}: schema: unexpected columns; got {unexpected}, declared {list(dataset.columns)}. Declare them,"
            f" ignore them (dataset.ignored_columns), or deliver without them."
        )
    return [f"schema: unknown column dropped: {column}" for column in unexpected]


def _why_missing(header: list[str], missing: list[str], delimiter: str, dataset: Dataset) -> str:
    for other in _OTHER_DELIMITERS:
        parts = [part.strip().strip('"') for part in delimiter.join(header).split(other)]
        if other != delimiter and len(parts) > 1 and set(parts) & set(dataset.columns):
            return (
                f"header: wrong delimiter; got {other!r}, expected {delimiter!r}. Write the file as declared in"
                f" source.format, or declare its delimiter there."
            )
    if len(missing) == len(dataset.columns) and any(_is_number(field) for field in header):
        return (
            f"schema: header is data; got {header[:4]}, expected the names {list(dataset.columns)}. Write the names of"
            f" the columns on the first line."
        )
    return (
        f"schema: required column missing: {', '.join(missing)}; got {header}, expected {list(dataset.columns)}."
        f" Deliver the file with all declared columns."
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_cells(content: bytes, name: str, header: list[str], delimiter: str) -> "pl.DataFrame":
    import polars as pl

    try:
        cells = pl.read_csv(content, separator=delimiter, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{name}: {_why_unreadable(content, header, delimiter, error)}") from error
    cells.columns = header
    return cells.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64))


def _why_unreadable(content: bytes, header: list[str], delimiter: str, error: Exception) -> str:
    reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), delimiter=delimiter, strict=True)
    try:
        for record in reader:
            if len(record) > len(header):
                return (
                    f"line {reader.line_num}: record too wide; got {len(record)} fields, expected {len(header)}. Quote"
                    f" fields that hold the delimiter {delimiter!r}."
                )
    except csv.Error as fault:
        return f"line {reader.line_num}: quotes do not match: {fault}. Double the quotes inside quoted fields."
    return f"cannot be read as CSV: {str(error).splitlines()[0]}. Write it as declared in source.format."


def _without_blank_records(cells: "pl.DataFrame", header: list[str]) -> "pl.DataFrame":
    import polars as pl

    return cells.filter(pl.any_horizontal(pl.col(header).is_not_null())) if cells.height else cells
