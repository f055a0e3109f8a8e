"""Quarantined rows as a CSV file that a person can edit in a spreadsheet, and what comes back from it."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Cells = Mapping[str, str | None]

_BATCH, _ROW, _RULES = "_batch", "_row", "_rules"
_OURS = (_BATCH, _ROW, _RULES)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what starts so
_QUOTE = "'"
_DELIMITERS = (",", ";", "\t")  # spreadsheets write what their country writes


@dataclass(frozen=True)
class RepairedRow:
    """One row of a file that came back; `cells` are all its cells."""

    batch_id: str
    row: int
    cells: Cells


def export_rows(rows: "pl.DataFrame") -> bytes:
    """Write quarantined rows as CSV: batch, row number and broken rules, then the record's own cells.

    Cells that a spreadsheet would take for a formula get a quote in front, and so do those that start with a quote;
    `import_rows` takes it off again. UTF-8 with a byte-order mark, which spreadsheets need.

    Args:
        rows: as `Quarantine.read_rows` gives them.
    """
    records = [json.loads(raw) for raw in rows["raw"]]
    columns = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # so that a cell with a carriage return is quoted
    writer.writerow([*_OURS, *(_escape(name) for name in columns)])
    for batch, row, rules, record in zip(rows["batch"], rows["row"], rows["rules"], records, strict=True):
        writer.writerow([batch, row, " ".join(rules), *(_escape(record.get(name)) for name in columns)])
    return text.getvalue().encode("utf-8-sig")


def import_rows(content: bytes, name: str) -> list[RepairedRow]:
    """Read a file that `export_rows` wrote and a person edited. An empty cell is no value.

    Args:
        content: the file's bytes.
        name: for messages.

    Raises:
        DataError: it is not such a file; says in which line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8: {error}. Save it as CSV UTF-8.") from error
    header = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return list(_repaired(reader, name))
    except csv.Error as error:
        raise DataError(f"{name}: line {reader.line_num}: not CSV: {error}. Save it as CSV UTF-8.") from error


def parse_edits(edits: Sequence[str]) -> dict[int, dict[str, str | None]]:
    """Read edits such as `7:Humidity=0.8`: row, column and the cell's new text; nothing after the sign empties it.

    Raises:
        DataError: one of them is not written so.
    """
    read: dict[int, dict[str, str | None]] = {}
    for edit in edits:
        row, colon, rest = edit.partition(":")
        column, sign, text = rest.partition("=")
        if not (row.isdigit() and colon and column and sign):
            raise DataError(f"not an edit; got {edit!r}, expected ROW:COLUMN=TEXT, e.g. 7:Humidity=0.8")
        read.setdefault(int(row), {})[column] = text or None
    return read


def edits_from_json(value: Mapping[str, Mapping[str, object]]) -> dict[int, dict[str, str | None]]:
    """Read edits such as `{"7": {"Humidity": 0.8, "Location": null}}`.

    Raises:
        DataError: one of them is not written so.
    """
    read: dict[int, dict[str, str | None]] = {}
    for row, cells in value.items():
        if not row.isdigit() or not isinstance(cells, Mapping):
            raise DataError(f'not an edit; got {row!r}: {cells!r}, expected for example "7": {{"Humidity": "0.8"}}')
        read[int(row)] = {column: None if cell in (None, "") else str(cell) for column, cell in cells.items()}
    return read


def _repaired(reader: Iterator[list[str]], name: str) -> Iterator[RepairedRow]:
    columns = [_unescape(column) for column in next(reader, [])]
    if any(ours not in columns for ours in (_BATCH, _ROW)):
        raise DataError(
            f"{name}: not an export of quarantined rows; got the columns {columns}, expected {_BATCH} and {_ROW} among"
            f" them. Export the rows first: ./almanac quarantine export."
        )
    seen: set[tuple[str, int]] = set()
    for line, record in enumerate(reader, start=2):
        if not any(record):
            continue
        if len(record) != len(columns):
            raise DataError(f"{name}: record {line}: got {len(record)} fields, expected {len(columns)}")
        values = dict(zip(columns, record, strict=True))
        if not values[_ROW].strip().isdigit():
            raise DataError(
                f"{name}: record {line}: {_ROW} is not a row number; got {values[_ROW]!r}. Leave it as it was."
            )
        cells = {column: _unescape(cell) or None for column, cell in values.items() if column not in _OURS}
        repaired = RepairedRow(values[_BATCH].strip(), int(values[_ROW]), cells)
        if (repaired.batch_id, repaired.row) in seen:
            raise DataError(f"{name}: record {line}: row {repaired.row} appears twice; keep one of them")
        seen.add((repaired.batch_id, repaired.row))
        yield repaired


def _escape(cell: str | None) -> str:
    text = cell or ""
    return (
        f"{_QUOTE}{text}" if text.startswith(_QUOTE) or (text.startswith(_FORMULA) and not _is_number(text)) else text
    )


def _unescape(cell: str) -> str:
    return cell.removeprefix(_QUOTE)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
