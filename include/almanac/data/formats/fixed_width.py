"""Reads lines in which each column has its place, its cells as text."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from almanac.config.sections.dataset import Dataset
from almanac.config.sections.formats import FixedWidthFormat
from almanac.data.formats.file_content import FileContent, inspect_text
from almanac.data.formats.header import check_header
from almanac.data.formats.margins import lines_of, trim
from almanac.data.formats.reader import ROW, IncompleteFileError, RecordChunk, make_chunk
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_RECORDS = 50_000


@dataclass(frozen=True)
class FixedWidthRecords:
    """The records of a file of fixed width. A line that ends before its last column begins is malformed."""

    content: FileContent
    declared: FixedWidthFormat
    warnings: tuple[str, ...]
    may_be_cut: bool

    @property
    def decimal(self) -> str:
        """As declared."""
        return self.declared.decimal

    def chunks(self) -> Iterator[RecordChunk]:
        """Read the file from its beginning."""
        import polars as pl

        done, left = 0, lines_of(self.content, self.declared.encoding)
        while lines := list(islice(left, _RECORDS)):
            texts = pl.Series("line", [line.rstrip("\r\n") for line in lines], dtype=pl.String)
            rows = pl.int_range(done + 1, done + len(texts) + 1, eager=True).alias(ROW)
            done += len(texts)
            yield self._chunk(pl.DataFrame([texts, rows]))

    def _chunk(self, frame: "pl.DataFrame") -> RecordChunk:
        import polars as pl

        begins = max(first for first, _ in self.declared.columns.values())
        whole = (pl.col("line").str.len_chars() >= begins) | (pl.col("line").str.strip_chars() == "")
        short = frame.filter(~whole)
        cells = [
            _cell(first, last, self.declared.nulls).alias(name) for name, (first, last) in self.declared.columns.items()
        ]
        malformed = list(zip(short[ROW].to_list(), short["line"].to_list(), strict=True))
        return make_chunk(frame.filter(whole).select(*cells, ROW), malformed)


def _cell(first: int, last: int, nulls: tuple[str, ...]) -> "pl.Expr":
    import polars as pl

    text = pl.col("line").str.slice(first - 1, last - first + 1).str.strip_chars()
    return pl.when(~text.is_in(["", *nulls])).then(text)


def open_fixed_width(content: FileContent, declared: FixedWidthFormat, dataset: Dataset) -> FixedWidthRecords:
    """Check the file as a file.

    Raises:
        IncompleteFileError: its last line is short and has no end.
        DataError: it is not what was declared.
    """
    content.check_kind("lines of fixed width", utf_16=declared.encoding.startswith("utf-16"))
    if declared.has_margins:
        content = trim(content, declared, declared.encoding)
        declared = declared.model_copy(update={"encoding": "utf-8"})
    facts = inspect_text(content, declared.encoding)
    if facts.blank:
        raise DataError(
            f"{content.name}: empty file; got {facts.size_bytes} bytes, expected records. Deliver it again."
        )
    last = facts.tail.decode("utf-8", errors="replace").splitlines()[-1]
    if not facts.ends_line and len(last) < max(first for first, _ in declared.columns.values()):
        raise IncompleteFileError(
            f"{content.name}: incomplete file: its last record is short and has no line end; got {last[-60:]!r}."
            " Deliver the whole file again."
        )
    known = dataset.model_copy(update={"ignored_columns": (*dataset.ignored_columns, *declared.columns)})
    warnings = check_header(list(declared.columns), content.name, known)
    return FixedWidthRecords(content, declared, tuple(warnings), may_be_cut=not facts.ends_line)
