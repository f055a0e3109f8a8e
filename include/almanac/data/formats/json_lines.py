"""Reads JSON lines: one object per line, each of its values as text."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from almanac.config.sections.dataset import Dataset
from almanac.data.formats.file_content import FileContent, inspect_text
from almanac.data.formats.header import check_header
from almanac.data.formats.reader import ROW, IncompleteFileError, RecordChunk, make_chunk
from almanac.errors import DataError

_RECORDS = 50_000
_MAX_LINE = 1 << 20


@dataclass(frozen=True)
class JsonRecords:
    """The records of a file of JSON lines. Its columns are those of its first records, and the declared ones."""

    content: FileContent
    columns: tuple[str, ...]
    warnings: tuple[str, ...]
    paths: tuple[str, ...] = ()  # columns with a dot: values inside of objects
    decimal: str = "."
    may_be_cut: bool = False  # a record that was cut is no object

    def chunks(self) -> Iterator[RecordChunk]:
        """Read the file from its beginning."""
        import polars as pl

        done, known = 0, set(self.columns)
        for lines in _lines(self.content):
            rows: list[tuple[int, dict[str, str | None]]] = []
            malformed: list[tuple[int, str]] = []
            for number, line in enumerate(lines, done + 1):
                record = _record(line, self.paths)
                if record is None or (record and not record.keys() & known):  # of other names: nothing of it was read
                    malformed.append((number, line.decode("utf-8", errors="replace")[:_MAX_LINE]))
                else:
                    rows.append((number, record))
            done += len(lines)
            data = {name: [record.get(name) for _, record in rows] for name in self.columns}
            schema: dict[str, pl.DataType] = dict.fromkeys(self.columns, pl.String())
            frame = pl.DataFrame(data, schema=schema)
            yield make_chunk(frame.with_columns(pl.Series(ROW, [row for row, _ in rows], pl.Int64)), malformed)


def open_json_lines(content: FileContent, dataset: Dataset) -> JsonRecords:
    """Check the file as a file.

    Raises:
        IncompleteFileError: it ends in the middle of a record.
        DataError: it is not what was declared.
    """
    content.check_kind("JSON lines")
    facts = inspect_text(content, "utf-8")
    if facts.blank:
        raise DataError(
            f"{content.name}: empty file; got {facts.size_bytes} bytes, expected records. Deliver it again."
        )
    first = next(_lines(content))
    if first[0].lstrip().startswith(b"["):
        raise DataError(f"{content.name}: not JSON lines; got an array, expected one object per line.")
    last = facts.tail.rsplit(b"\n", 1)[-1]
    if not facts.ends_line and _record(last) is None:
        raise IncompleteFileError(
            f"{content.name}: incomplete file: its last record is short and has no line end; got {last[-60:]!r},"
            f" expected a JSON object. Deliver the whole file again."
        )
    names: dict[str, None] = {}
    paths = tuple(name for name in dataset.columns if "." in name)
    for line in first:
        names.update(dict.fromkeys(_record(line, paths) or ()))
    absent = [name for name, column in dataset.columns.items() if column.nullable and name not in names]
    if not names:
        raise DataError(f"{content.name}: not JSON lines; got {first[0][:60]!r}, expected one object per line.")
    outer = {path.split(".")[0] for path in paths}
    known = dataset.model_copy(update={"ignored_columns": (*dataset.ignored_columns, *outer)})
    warnings = [*check_header([*names, *absent], content.name, known)]
    if facts.has_mark:
        warnings.append("byte-order mark stripped")
    return JsonRecords(content, tuple(dict.fromkeys([*names, *dataset.columns])), tuple(warnings), paths=paths)


def _lines(content: FileContent) -> Iterator[list[bytes]]:
    rest, lines = b"", []
    for number, block in enumerate(content.blocks()):
        text = rest + (block.removeprefix(b"\xef\xbb\xbf") if number == 0 else block)
        *whole, rest = text.split(b"\n")
        lines += whole
        while len(lines) >= _RECORDS:
            yield lines[:_RECORDS]
            lines = lines[_RECORDS:]
        if len(rest) > 16 * _MAX_LINE:
            raise DataError(
                f"{content.name}: a record is longer than {16 * _MAX_LINE} bytes. Write one object per line."
            )
    if rest:
        lines.append(rest)
    if lines:
        yield lines


def _record(line: bytes, paths: Sequence[str] = ()) -> dict[str, str | None] | None:
    """The values of one line as text, those inside of objects by their dotted paths; None where it is no object.

    A blank line is an object without values.
    """
    if not line.strip():
        return {}
    try:
        value = json.loads(line, object_pairs_hook=_object, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    inside = {path: found for path in paths if path not in value and (found := _inside(value, path)) is not None}
    record = {name: _text(one) for name, one in (value | inside).items()}
    return record if b"\\u" not in line or all(map(_is_text, (*record, *record.values()))) else None


def _inside(value: object, path: str) -> object:
    """What stands at a dotted path of an object; None where there is nothing."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_text(text: str | None) -> bool:
    """Whether it can be written as UTF-8: half of a surrogate pair is no sign."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name is given twice")
    return values


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value)
