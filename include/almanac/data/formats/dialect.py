"""How one CSV file is written: as declared, or, where `detect` allows it, as its beginning shows."""

import csv
import re
from dataclasses import dataclass

from almanac.config.sections.dataset import Dataset
from almanac.config.sections.formats import DELIMITERS, CsvFormat
from almanac.data.formats.file_content import FileContent
from almanac.errors import DataError

_SAMPLE = 64 << 10
_LINE = re.compile(r"\r\n|\n|\r")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_TITLES = 20  # lines above a header that people and programs write
_MARKUP = {"{": "JSON", "[": "JSON", "<": "XML or HTML"}
_POINT = re.compile(r"[+-]?\d+\.\d+")


@dataclass(frozen=True)
class Dialect:
    """How the file is written, and its columns.

    Attributes:
        header: the cells of its first line, or the declared names where it has no header.
        hint: why the first line is no header, where that shows.
        header_rows: how many lines the header has: one or none.
    """

    delimiter: str
    decimal: str
    quote: str
    encoding: str
    header: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    hint: str = ""
    header_rows: int = 1


def find_dialect(content: FileContent, declared: CsvFormat, dataset: Dataset) -> Dialect:
    """Read the header as declared, or detect how it is written.

    Raises:
        DataError: detection is allowed but more than one way of reading fits, or the encoding does not.
    """
    with content.open() as stream:
        sample = stream.read(_SAMPLE)
    encoding = _encoding(sample, declared)
    text = sample.decode(encoding, errors="ignore").removeprefix("\ufeff")
    lines = _LINE.split(text)
    if declared.header == "none":
        return _without_header(content.name, lines[0], encoding, declared)
    if not declared.detect:
        header = tuple(split_fields(lines[0], declared.delimiter, declared.quote))
        if declared.row_names is not None:
            header = (declared.row_names, *header)
        hint = _hint(header, lines, declared.delimiter, declared.quote, dataset)
        return Dialect(declared.delimiter, declared.decimal, declared.quote, encoding, header, hint=hint)
    fitting = [
        delimiter
        for delimiter in DELIMITERS
        if set(split_fields(lines[0], delimiter, declared.quote)) & set(dataset.columns)
    ]
    if len(fitting) > 1:
        raise DataError(
            f"{content.name}: header: more than one delimiter fits; got {fitting}. Declare it in source.format."
        )
    delimiter = fitting[0] if fitting else declared.delimiter
    header = tuple(split_fields(lines[0], delimiter, declared.quote))
    decimal = _decimal(lines[1:-1], delimiter, declared, header, dataset)
    summary = f"detected: delimiter {delimiter!r}, decimal {decimal!r}, encoding {encoding}"
    usual = (delimiter, decimal, encoding) == (declared.delimiter, declared.decimal, declared.encoding)
    hint = _hint(header, lines, delimiter, declared.quote, dataset)
    return Dialect(delimiter, decimal, declared.quote, encoding, header, () if usual else (summary,), hint)


def _without_header(name: str, first: str, encoding: str, declared: CsvFormat) -> Dialect:
    """The declared names, if the first line has as many cells."""
    cells = split_fields(first, declared.delimiter, declared.quote)
    if first.strip() and len(cells) != len(declared.names):
        raise DataError(
            f"{name}: schema: the first line has {len(cells)} cells; got {first[:60]!r}, expected the"
            f" {len(declared.names)} columns of source.format.names. Check names and delimiter, or deliver all columns."
        )
    return Dialect(declared.delimiter, declared.decimal, declared.quote, encoding, declared.names, header_rows=0)


def _hint(header: tuple[str, ...], lines: list[str], delimiter: str, quote: str, dataset: Dataset) -> str:
    """Why the first line holds none of the declared names, where that shows; else nothing."""
    if set(header) & set(dataset.columns):
        return ""
    for number, line in enumerate(lines[1:_TITLES], 2):
        if set(dataset.columns) <= set(split_fields(line, delimiter, quote)):
            return (
                f"the header is on line {number}: declare skip_lines: {number - 1} in source.format, or deliver the"
                " file without the lines above it"
            )
    kind = _MARKUP.get(lines[0].lstrip()[:1])
    return f"this is {kind}, not CSV" if kind else ""


def split_fields(line: str, delimiter: str, quote: str) -> list[str]:
    """The cells of one line, without the space around them."""
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter, quotechar=quote), [])]
    except csv.Error:
        return []


def find_encoding(content: FileContent, declared: CsvFormat) -> str:
    """As declared, or as the first bytes show where `detect` allows it."""
    with content.open() as stream:
        return _encoding(stream.read(_SAMPLE), declared)


def _encoding(sample: bytes, declared: CsvFormat) -> str:
    if not declared.detect:
        return declared.encoding
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        sample[: len(sample) - 3 if len(sample) == _SAMPLE else None].decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8" if error.end >= len(sample) - 3 and len(sample) == _SAMPLE else "cp1252"
    return "utf-8"


def _decimal(lines: list[str], delimiter: str, declared: CsvFormat, header: tuple[str, ...], dataset: Dataset) -> str:
    """The decimal sign of the float columns; as declared where the sample shows none, or both."""
    positions = [
        n for n, name in enumerate(header) if name in dataset.columns and dataset.columns[name].type == "float"
    ]
    signs = set()
    for line in lines:
        cells = split_fields(line, delimiter, declared.quote)
        numbers = [cells[position] for position in positions if position < len(cells)]
        signs |= {"," for cell in numbers if _COMMA.fullmatch(cell)}
        signs |= {"." for cell in numbers if _POINT.fullmatch(cell)}
    return signs.pop() if len(signs) == 1 else declared.decimal
