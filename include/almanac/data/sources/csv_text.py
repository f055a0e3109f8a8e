"""Writes fetched records as CSV in the declared dialect, so that they land like any other file."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal

from almanac.config.sections.formats import CsvFormat

Record = Mapping[str, object]


def to_csv(records: Sequence[Record], form: CsvFormat) -> bytes:
    """Write a header and the records. Columns come in the order in which they are first seen.

    Numbers keep their digits, times their offset (or their lack of one); nothing at all is an empty cell. What UTF-8
    cannot hold is written as it came: the file is then rejected, and kept, by the checks of files.
    """
    columns = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    # with a plain line feed as line end, Python would not quote a cell that holds a carriage return
    writer = csv.writer(text, delimiter=form.delimiter, quotechar=form.quote, lineterminator="\r\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow(_cell(record.get(name), form.decimal) for name in columns)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _cell(value: object, decimal: str) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() | Decimal():
            return str(value).replace(".", decimal)
        case datetime() | date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)
