"""Checks a CSV file as a file, and reads its cells as text, chunk by chunk."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from almanac.config.sections.dataset import Dataset
from almanac.config.sections.formats import CsvFormat
from almanac.data.formats.dialect import Dialect, find_dialect, find_encoding, split_fields
from almanac.data.formats.file_content import FileContent, TextFacts, inspect_text
from almanac.data.formats.header import check_header
from almanac.data.formats.margins import trim
from almanac.data.formats.quotes import QuoteScan
from almanac.data.formats.reader import ROW, IncompleteFileError, RecordChunk, make_chunk
from almanac.data.formats.swallowed import check_headers, check_swallowed
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_BLOCK = 8 << 20  # no record can be longer
_MAX_CELL = 64 << 10
_LINE_END = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class CsvRecords:
    """The records of a CSV file."""

    content: FileContent
    dialect: Dialect
    dataset: Dataset
    warnings: tuple[str, ...]
    nulls: tuple[str, ...] = ()
    header_only: bool = False
    has_quotes: bool = True
    may_be_cut: bool = False
    header_rows: int = 1

    @property
    def decimal(self) -> str:
        """As declared, or as detected."""
        return self.dialect.decimal

    def chunks(self) -> Iterator[RecordChunk]:
        """Read the file from its beginning."""
        import polars as pl
        import pyarrow as pa

        if self.header_only:
            return
        malformed = _Malformed(self.header_rows)
        done, columns = 0, self.columns()
        try:
            for batch in self._open(malformed):
                frame = pl.DataFrame(pl.from_arrow(batch))
                rows, done = malformed.number(frame.height, done)
                frame.columns = list(columns)
                yield self._chunk(frame.with_columns(rows), malformed.take(done))
        except pa.ArrowInvalid as error:
            message = str(error).splitlines()[0]
            raise DataError(
                f"{self.content.name}: cannot be read as CSV after record {done}: {message}. Write it as declared in"
                f" source.format, with no record above {_BLOCK >> 20} MB."
            ) from error
        if left := malformed.take(None):
            yield self._chunk(pl.DataFrame(schema=dict.fromkeys(self.columns(), pl.String) | {ROW: pl.Int64}), left)

    def columns(self) -> tuple[str, ...]:
        """The file's columns; those without a usable name of their own are called by their place."""
        header = self.dialect.header
        usable = [name not in ("", ROW) and header.index(name) == position for position, name in enumerate(header)]
        taken = {name for name, own in zip(header, usable, strict=True) if own}
        named: list[str] = []
        for position, (name, own) in enumerate(zip(header, usable, strict=True), 1):
            candidates = chain([f"column {position}"], (f"column {position} ({n})" for n in count(2)))
            named.append(name if own else next(one for one in candidates if one not in taken))
            taken.add(named[-1])
        return tuple(named)

    def _open(self, malformed: "_Malformed") -> Any:
        import pyarrow as pa
        import pyarrow.csv as arrow_csv

        positions = [f"c{position}" for position in range(len(self.dialect.header))]
        encoding = "utf8" if self.dialect.encoding == "utf-8" else self.dialect.encoding
        return arrow_csv.open_csv(
            self.content.open(),
            # without threads the number of a malformed record is known
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK,
                column_names=positions,
                skip_rows=self.header_rows,
                encoding=encoding,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                quote_char=self.dialect.quote,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=malformed.keep,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(positions, pa.large_string()),
                null_values=["", *self.nulls],
                strings_can_be_null=True,
                check_utf8=False,  # every byte was looked at before
            ),
        )

    def _chunk(self, frame: "pl.DataFrame", malformed: list[tuple[int, str]]) -> RecordChunk:
        import polars as pl

        self._check_records(frame, malformed)
        too_long = frame.filter(pl.any_horizontal(pl.exclude(ROW).str.len_bytes() > _MAX_CELL))
        if too_long.height:
            texts = [self.dialect.delimiter.join(cell or "" for cell in row) for row in too_long.drop(ROW).iter_rows()]
            malformed += list(zip(too_long[ROW], (text[:_MAX_CELL] for text in texts), strict=True))
            frame = frame.filter(~pl.col(ROW).is_in(too_long[ROW].implode()))
        return make_chunk(frame, malformed)

    def _check_records(self, frame: "pl.DataFrame", malformed: list[tuple[int, str]]) -> None:
        """Refuse a file in which records stand in the wrong place."""
        import polars as pl

        name, header, delimiter = self.content.name, self.columns(), self.dialect.delimiter
        check_headers(frame, header, self._never_a_word(), name)
        if self.has_quotes:  # no other cell holds a line end
            long = frame.filter(pl.any_horizontal(pl.exclude(ROW).str.contains(r"[\r\n]")))
            texts = (delimiter.join(cell or "" for cell in cells) for cells in long.drop(ROW).iter_rows())
            found = [*zip(long[ROW].to_list(), texts, strict=True), *malformed]
            check_swallowed(found, header, delimiter, self.dataset, name)

    def _never_a_word(self) -> str | None:
        """A column in which digits stand: that of event time, without one the first that is no text."""
        if self.dataset.time in self.columns():
            return self.dataset.time
        typed = (name for name, column in self.dataset.columns.items() if column.type != "string")
        return next((name for name in typed if name in self.columns()), None)


@dataclass
class _Malformed:
    """Records of another width than the header's, with their numbers, as the parser meets them."""

    header_rows: int
    found: list[tuple[int, str]] = field(default_factory=list)

    def keep(self, row: Any) -> str:
        """Called by the parser: leave the record out and go on."""
        self.found.append((row.number - self.header_rows, row.text))  # the header is a row to it
        return "skip"

    def number(self, count: int, done: int) -> "tuple[pl.Series, int]":
        """The numbers of the next `count` sound records after record `done`, and the last of them."""
        import polars as pl

        bad = {number for number, _ in self.found if number > done}
        end = done + count
        while (skipped := sum(number <= end for number in bad)) != end - done - count:
            end = done + count + skipped
        numbers = pl.int_range(done + 1, end + 1, eager=True).alias(ROW)
        return (numbers.filter(~numbers.is_in(list(bad))) if bad else numbers), end

    def take(self, until: int | None) -> list[tuple[int, str]]:
        """Hand over what was found up to a record; None: everything."""
        taken = [one for one in self.found if until is None or one[0] <= until]
        self.found[:] = self.found[len(taken) :]
        return taken


def open_csv(content: FileContent, declared: CsvFormat, dataset: Dataset) -> CsvRecords:
    """Check the file as a file.

    Raises:
        IncompleteFileError: it ends in the middle of a record.
        DataError: it is not what was declared; says where, what, got, expected and what to do.
    """
    content.check_kind("CSV", utf_16=declared.detect or declared.encoding.startswith("utf-16"))
    if declared.has_margins:
        content = trim(content, declared, find_encoding(content, declared))
        declared = declared.model_copy(update={"encoding": "utf-8"})
    known = (*declared.names, *([declared.row_names] if declared.row_names else []))
    dataset = dataset.model_copy(update={"ignored_columns": (*dataset.ignored_columns, *known)})
    dialect = find_dialect(content, declared, dataset)
    quotes = QuoteScan(dialect.delimiter, dialect.quote, _BLOCK)
    facts = inspect_text(content, dialect.encoding, quotes.feed)
    if facts.blank:
        raise DataError(
            f"{content.name}: empty file; got {facts.size_bytes} bytes, expected a header and records. Deliver it"
            f" again."
        )
    warnings = [*dialect.warnings, *(["byte-order mark stripped"] if facts.has_mark else [])]
    if not dialect.hint:  # else it is no CSV file, whole or not
        _check_end(content, dialect, facts, dataset)
    warnings += check_header(dialect.header, content.name, dataset, dialect.delimiter, dialect.hint)
    if problem := quotes.finish():
        raise DataError(f"{content.name}: {problem}. Quote cells that hold quotes, and double the quotes inside them.")
    if not facts.ends_line:
        warnings.append("the last record has no line end")
    return CsvRecords(
        content,
        dialect,
        dataset,
        tuple(warnings),
        declared.nulls,
        header_only=facts.lines == 0 and dialect.header_rows > 0,
        has_quotes=quotes.found,
        may_be_cut=not facts.ends_line,
        header_rows=dialect.header_rows,
    )


def _check_end(content: FileContent, dialect: Dialect, facts: TextFacts, dataset: Dataset) -> None:
    """Refuse a file whose last record is short and has no line end."""
    if facts.ends_line:
        return
    parts = _LINE_END.split(facts.tail)
    if facts.lines == 0 and dialect.header_rows:  # the header itself may have been cut
        short = any(name not in dialect.header for name, column in dataset.columns.items() if not column.optional)
    else:
        last = parts[-1].decode("utf-8", errors="replace")
        short = len(split_fields(last, dialect.delimiter, dialect.quote)) < len(dialect.header)
    if short:
        raise IncompleteFileError(
            f"{content.name}: incomplete file: its last record is short and has no line end; got {facts.tail[-60:]!r},"
            f" expected {len(dialect.header)} fields. Deliver the whole file again."
        )
