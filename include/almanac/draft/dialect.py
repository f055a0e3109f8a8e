"""How a text file with a table is written, found from its beginning."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from almanac.config.sections.formats import DELIMITERS, CsvFormat
from almanac.data.formats.file_content import FileContent
from almanac.errors import DataError

_SAMPLE = 256 << 10
_LINE_END = re.compile(r"\r\n|\n|\r")
_NUMBER = re.compile(r"[+-]?(\d[\d,. '_\u00a0]*|[.,]\d+)([eE][+-]?\d+)?%?")
_BODY = 500  # records that are compared with a header
_MOST_TITLES = 50


class _Layout(NamedTuple):
    """One way to cut the lines: the delimiter, the records, their usual width, and how many have it."""

    delimiter: str
    records: list[list[str]]
    width: int
    share: float


def find_format(content: FileContent) -> CsvFormat:
    """How the file is written: encoding, delimiter, lines above the header, whether there is one.

    Raises:
        DataError: it is no text, or no table of two columns and more.
    """
    with content.open() as stream:
        sample = stream.read(_SAMPLE)
    whole = len(sample) < _SAMPLE
    encoding = _encoding(sample, whole=whole)
    text = codecs.getincrementaldecoder(encoding)().decode(sample).removeprefix("\ufeff")
    lines = _LINE_END.split(text)[: None if whole else -1]  # the last one may be cut
    comment = _comment(lines)
    lines = [line for line in lines if not (comment and line.startswith(comment))]
    layout = max(
        (_cut(lines, delimiter) for delimiter in DELIMITERS),
        key=lambda found: (found.width > 1, found.share > 0.5, found.share * min(found.width, 3), found.width),
    )
    if layout.width < 2:
        first = next((line for line in lines if line.strip()), "")
        raise DataError(
            f"{content.name}: no table found; got {first[:80]!r} in the first line, expected columns between one of"
            f" {' '.join(map(repr, DELIMITERS))}. Fixed columns: declare source.format kind fixed_width by hand"
            " (docs/add-a-model.md)"
        )
    top = _top(layout)
    found: dict[str, object] = {"delimiter": layout.delimiter, "encoding": encoding}
    found |= {"skip_lines": top} if top else {}
    found |= {"comment": comment} if comment else {}
    if whole and (below := _below(layout)):
        found["footer_lines"] = below
    first, body = layout.records[top], layout.records[top + 1 : top + 1 + _BODY]
    if len(first) == layout.width - 1:
        found["row_names"] = "row_name"
    elif not is_header(first, body):
        found |= {"header": "none", "names": tuple(f"column_{place}" for place in range(1, layout.width + 1))}
    elif len({cell.strip() for cell in first if cell.strip()}) < layout.width:
        # columns without a name, or two of one: no declared column could be bound to them by name
        found |= {"header": "none", "names": _own_names(first), "skip_lines": top + 1}
    return CsvFormat.model_validate(found)


def _own_names(header: Sequence[str]) -> tuple[str, ...]:
    """A name for each column of a header in which some have none, or one that another has."""
    names: list[str] = []
    for place, cell in enumerate(header, 1):
        name = cell.strip() or f"column_{place}"
        names.append(name if name not in names else f"{name}_{place}")
    return tuple(names)


def is_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a record names the columns: no number stands in it, and no text that the columns repeat."""
    cells = [cell.strip() for cell in first]
    if any(_NUMBER.fullmatch(cell) for cell in cells) or len(set(cells)) < len(cells) - 1:
        return False
    columns = list(zip(*(row for row in body if len(row) == len(first)), strict=True))
    repeated = sum(cell in {other.strip() for other in column} for cell, column in zip(cells, columns, strict=False))
    return repeated <= len(cells) / 2


def _encoding(sample: bytes, *, whole: bool) -> str:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=whole)
    except UnicodeDecodeError:
        return "cp1252" if not set(sample) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
    return "utf-8"


def _comment(lines: Sequence[str]) -> str:
    """The sign of lines that are comments: the file begins with it, and the header does not."""
    first = next((line for line in lines if line.strip()), "")
    rest = [line for line in lines if line.strip() and not line.startswith("#")]
    return "#" if first.startswith("#") and len(rest) > 1 else ""


def _cut(lines: Sequence[str], delimiter: str) -> _Layout:
    try:
        records = list(csv.reader((f"{line}\n" for line in lines), delimiter=delimiter))
    except csv.Error:  # a cell without an end
        records = [line.split(delimiter) for line in lines]
    widths = Counter(len(record) for record in records if any(cell.strip() for cell in record))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0])) if widths else (0, 0)
    return _Layout(delimiter, records, width, count / max(sum(widths.values()), 1))


def _top(layout: _Layout) -> int:
    """The place of the first record of the table: as wide as most, or one cell narrower (row names)."""
    for place, record in enumerate(layout.records[:_MOST_TITLES]):
        below = layout.records[place + 1 : place + 3]
        filled = len(record) in (layout.width, layout.width - 1) and any(cell.strip() for cell in record)
        if filled and all(len(other) == layout.width for other in below):
            return place
    return 0


def _below(layout: _Layout) -> int:
    """How many lines stand below the table; blank ones at the very end are none."""
    records = layout.records
    while records and not any(cell.strip() for cell in records[-1]):
        records = records[:-1]
    count = 0
    while count < len(records) and len(records[-1 - count]) != layout.width:
        count += 1
    trailing = len(layout.records) - len(records)
    blank = max(trailing - 1, 0)  # the last line end makes one
    return count + blank if 0 < count < _MOST_TITLES else 0
