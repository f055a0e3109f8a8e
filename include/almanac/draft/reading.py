"""The cells of files that nothing is declared of yet, as texts, and how these files are written."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.config.sections.dataset import Column, Dataset
from almanac.config.sections.formats import (
    AnyFormat,
    AvroFormat,
    CsvFormat,
    ExcelFormat,
    JsonLinesFormat,
    OrcFormat,
    ParquetFormat,
)
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.formats import open_in_file, read_schema
from almanac.data.formats.reader import ROW, RecordReader
from almanac.draft.dialect import find_format
from almanac.draft.sample import MOST_BYTES, MOST_ROWS, Sample, open_file, sample_parquet, sample_text
from almanac.errors import DataError
from almanac.storage.errors import store_errors

if TYPE_CHECKING:
    import polars as pl

_SLICE = 20_000  # rows in a row
_KINDS: dict[str, AnyFormat] = {"Parquet": ParquetFormat(), "ORC": OrcFormat(), "Avro": AvroFormat()}
_MOST_OBJECTS = 2_000


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read of some files of one form.

    Attributes:
        names: of the files.
        format: how they are written.
        cells: their records as texts, in the files' order; runs of neighbouring ones of a large file.
        rows: how many they have; of a sample, about.
        contents: the files, `samples` what was looked at in their place.
        share: the part of the records that the samples hold.
        notes: what is unusual, for people.
    """

    names: tuple[str, ...]
    format: AnyFormat
    cells: "pl.DataFrame"
    rows: int
    contents: tuple[FileContent, ...]
    samples: tuple[Sample, ...]
    share: float
    notes: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every record is looked at."""
        return self.share == 1.0 and self.rows == self.cells.height


def read_files(
    paths: Sequence[Path],
    folder: Path,
    *,
    names: tuple[str, ...] | None = None,
    sheet: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Reading:
    """Read files that nothing is declared of.

    Args:
        paths: of the files, all of one form; at least one.
        folder: where samples of large ones are written.
        names: of the columns, where the files have no header.
        sheet: of Excel files.
        most_bytes: of text that is looked at, all files together.

    Raises:
        DataError: one cannot be read, holds no table, or is written otherwise than the first.
    """
    import polars as pl

    contents = [open_file(path) for path in paths]
    form = _with_names(_common_form(contents, sheet), names)
    samples = [_sample(content, form, folder, most_bytes // len(contents)) for content in contents]
    frames: list[pl.DataFrame] = []
    rows, notes = 0.0, dict[str, None]()
    for sample in samples:
        records = _open(sample.content, form)
        cells, count = _cells(records, MOST_ROWS // len(samples), sample.content.name)
        if frames and sorted(cells.columns) != sorted(frames[0].columns):
            other = sorted(set(cells.columns) ^ set(frames[0].columns))
            raise DataError(
                f"{sample.content.name}: other columns than {contents[0].name}: {other}; draft from files of one kind"
            )
        frames.append(cells.select(frames[0].columns) if frames else cells)
        rows += count / sample.share
        notes |= dict.fromkeys(text for text in records.warnings if not text.startswith("schema: "))
    share = sum(frame.height for frame in frames) / rows if any(not sample.is_whole for sample in samples) else 1.0
    found = tuple(content.name for content in contents)
    return Reading(found, form, pl.concat(frames), round(rows), tuple(contents), tuple(samples), share, tuple(notes))


def _common_form(contents: Sequence[FileContent], sheet: str | None) -> AnyFormat:
    forms = [_find_form(content, sheet) for content in contents]
    different = next((n for n, form in enumerate(forms) if form != forms[0]), None)
    if different is None:
        return forms[0]
    raise DataError(
        f"{contents[different].name}: written otherwise than {contents[0].name}: {_form_text(forms[different])} and"
        f" {_form_text(forms[0])}; draft from files of one kind"
    )


def _form_text(form: AnyFormat) -> str:
    return json.dumps({"kind": form.kind, **form.model_dump(mode="json", exclude_defaults=True)})


def _find_form(content: FileContent, sheet: str | None) -> AnyFormat:
    kind = content.kind()
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "ZIP or Excel":
        return ExcelFormat(sheet=sheet)
    if kind and kind != "UTF-16 text":
        raise DataError(
            f"{content.name}: {kind} cannot be read; expected text, Excel (.xlsx), Parquet, ORC or Avro. Save the table"
            " as one of these"
        )
    with content.open() as stream:
        first = stream.read(1 << 10).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"[":
        raise DataError(
            f"{content.name}: one JSON array; expected JSON lines, an object in each: jq -c '.[]' {content.name}"
        )
    return JsonLinesFormat() if first == b"{" else find_format(content)


def _with_names(form: AnyFormat, names: tuple[str, ...] | None) -> AnyFormat:
    if names is None or not isinstance(form, CsvFormat):
        return form
    return form.model_copy(update={"header": "none", "names": names, "row_names": None})


def _sample(content: FileContent, form: AnyFormat, folder: Path, most_bytes: int) -> Sample:
    with store_errors(str(folder), "written"):
        if isinstance(form, CsvFormat | JsonLinesFormat):
            encoding = form.encoding if isinstance(form, CsvFormat) else "utf-8"
            return sample_text(content, folder, encoding, most_bytes=most_bytes)
        return sample_parquet(content, folder) if isinstance(form, ParquetFormat) else Sample(content)


def _open(content: FileContent, form: AnyFormat) -> RecordReader:
    if isinstance(form, CsvFormat):
        # the reader looks for records that repeat the header's name of the time
        records: Any = open_in_file(content, form, _dataset({}))
        known: RecordReader = replace(records, dataset=_dataset({}, time=records.columns()[0]))
        return known
    columns = _json_columns(content) if isinstance(form, JsonLinesFormat) else _typed_columns(content, form)
    return open_in_file(content, form, _dataset(columns))


def _dataset(columns: dict[str, Column], time: str = "") -> Dataset:
    """Declares nothing but the columns."""
    return Dataset.model_construct(
        columns=columns,
        time=time,
        key=(),
        step=timedelta(1),
        ignored_columns=(),
        on_unexpected_column="drop",
        max_bad_share=1.0,
        origin="",
        licence="",
    )


def _typed_columns(content: FileContent, form: AnyFormat) -> dict[str, Column]:
    """The columns of a file with types that can be read; lists, bytes and the like cannot."""
    import pyarrow.types as arrow

    found: dict[str, Column] = {}
    for field in read_schema(content, form):
        kind = field.type.value_type if arrow.is_dictionary(field.type) else field.type
        if arrow.is_timestamp(kind) or arrow.is_date(kind):
            zone = None if getattr(kind, "tz", None) else "UTC"
            found[field.name] = Column(type="timestamp", timezone=zone)
        elif arrow.is_integer(kind) or arrow.is_floating(kind) or arrow.is_decimal128(kind):
            found[field.name] = Column(type="float", nullable=True)
        elif arrow.is_boolean(kind) or arrow.is_null(kind) or arrow.is_string(kind) or arrow.is_large_string(kind):
            found[field.name] = Column(type="string", nullable=True)
    if not found:
        raise DataError(f"{content.name}: no column of numbers, texts or times")
    return found


def _json_columns(content: FileContent) -> dict[str, Column]:
    """The names of the first objects, and the dotted paths of what stands inside of them."""
    paths: dict[str, None] = {}
    with content.open() as stream:
        lines = stream.read(4 << 20).splitlines()[:_MOST_OBJECTS]
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue  # the last one may be cut; the reader judges the others
        if isinstance(value, dict):
            paths |= dict.fromkeys(_paths(value))
    outer = {path.rsplit(".", 1)[0] for path in paths if "." in path}
    return {path: Column(type="string", nullable=True) for path in paths if path not in outer}


def _paths(value: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _paths(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def _cells(records: RecordReader, most_rows: int, name: str) -> "tuple[pl.DataFrame, int]":
    """The records, runs of neighbouring ones where they are many; and how many there are."""
    import polars as pl

    kept: dict[int, pl.DataFrame] = {}
    rows, every, number = 0, 1, 0
    for chunk in records.chunks():
        rows += chunk.cells.height + chunk.malformed.height
        for part in chunk.cells.drop(ROW).iter_slices(_SLICE):
            if number % every == 0:
                kept[number] = part
            number += 1
        while len(kept) > 1 and sum(part.height for part in kept.values()) > most_rows:
            every *= 2
            kept = {place: part for place, part in kept.items() if place % every == 0}
    if not rows:
        raise DataError(f"{name}: no rows; got a header alone")
    return pl.concat(kept.values()), rows
