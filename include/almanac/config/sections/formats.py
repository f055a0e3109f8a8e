"""How files are written: `source.format` of a model's YAML.

Compression is not declared here: the name says it (`.gz`, `.zst`, `.bz2`, `.xz`, or `.zip` with one file inside), and
the first bytes must agree with the name.
"""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from almanac.config.grammar.encoding import check_encoding
from almanac.config.grammar.section import Section

DELIMITERS = (",", ";", "\t", "|")


class _TextFormat(Section):
    """What all kinds of text have in common: signs, encoding, and lines that are neither header nor data."""

    decimal: Literal[".", ","] = Field(".", description="The sign before fractions, where a column declares none.")
    encoding: str = Field("utf-8", description="As Python calls it: utf-8, utf-16, latin-1, cp1252, shift_jis, ...")
    nulls: tuple[str, ...] = Field((), description="Texts that mean an empty cell, e.g. NA; no others do.")
    skip_lines: Annotated[int, Field(ge=0)] = Field(0, description="Lines above the header, or above the data.")
    footer_lines: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="Lines below the data.")
    comment: Annotated[str, Field(min_length=1, max_length=8)] | None = Field(
        None, description="Lines that begin with it are left out, wherever they stand."
    )

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, name: str) -> str:
        return check_encoding(name)

    @property
    def has_margins(self) -> bool:
        """Whether the file has lines that are neither header nor data."""
        return bool(self.skip_lines or self.footer_lines or self.comment)


class CsvFormat(_TextFormat):
    """A file that is written otherwise is rejected, unless `detect` allows to look.

    Looking chooses from closed lists (the delimiters `,` `;` tab `|`, a decimal point or comma, UTF-8, UTF-16 with its
    mark, cp1252), and only where one choice alone fits the declared columns.
    """

    kind: Literal["csv"] = "csv"
    detect: bool = Field(False, description="Find delimiter, quote and encoding in each file.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(",", description="Between two cells.")
    quote: Annotated[str, Field(min_length=1, max_length=1)] = Field(
        '"', description="Around cells that hold a delimiter."
    )
    header: Literal["first", "none"] = Field("first", description="none: the first line holds data; see names.")
    names: tuple[str, ...] = Field((), description="The columns of a file without a header, in their order.")
    row_names: str | None = Field(
        None, description="The name of a first column that the header leaves out, as R writes its row names."
    )

    @model_validator(mode="after")
    def _columns_have_names(self) -> Self:
        if (self.header == "none") != bool(self.names):
            raise ValueError(
                f"header and names: a file without a header needs the names of all its columns, any other has them"
                f" itself; got header {self.header}, {len(self.names)} names"
            )
        doubled = sorted({name for name in self.names if self.names.count(name) > 1})
        if doubled or self.row_names in self.names:
            raise ValueError(f"names: each column once; got {doubled or [self.row_names]} twice")
        if self.detect and (self.header == "none" or self.row_names is not None):
            raise ValueError("detect needs a header with the name of each column: declare the dialect instead")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether a program writes it so that needs no settings but signs: UTF-8, one header, the data."""
        named = self.header == "first" and self.row_names is None
        return named and self.encoding == "utf-8" and not (self.detect or self.has_margins)

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.quote in (self.delimiter, self.decimal) or not self.delimiter.isascii() or not self.quote.isascii():
            raise ValueError(
                f"delimiter, decimal and quote must be different ASCII signs; got {self.delimiter!r}, {self.decimal!r},"
                f" {self.quote!r}"
            )
        return self


class JsonLinesFormat(Section):
    """One JSON object per line, UTF-8."""

    kind: Literal["json_lines"] = "json_lines"


class ParquetFormat(Section):
    """Parquet; columns may be stored as text, numbers, or times with a zone."""

    kind: Literal["parquet"] = "parquet"


class OrcFormat(Section):
    """ORC; columns as for Parquet."""

    kind: Literal["orc"] = "orc"


class AvroFormat(Section):
    """Avro records of plain fields; a file is held in memory while it is read."""

    kind: Literal["avro"] = "avro"


class ExcelFormat(Section):
    """One sheet of a workbook (`.xlsx`) with a header; it is held in memory while it is read."""

    kind: Literal["excel"] = "excel"
    sheet: Annotated[str, Field(min_length=1)] | None = Field(None, description="Its name; unset: the first sheet.")
    skip_lines: Annotated[int, Field(ge=0)] = Field(0, description="Rows above the header.")


class FixedWidthFormat(_TextFormat):
    """Lines in which each column has its place, in characters; without a header."""

    kind: Literal["fixed_width"] = "fixed_width"
    columns: dict[str, tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]] = Field(
        min_length=1, description="Column -> its first and last character, counted from 1."
    )

    @model_validator(mode="after")
    def _places_are_in_order(self) -> Self:
        ends = sorted(self.columns.values())
        wrong = [place for place in ends if place[0] > place[1]]
        crossing = [pair for pair in pairwise(ends) if pair[0][1] >= pair[1][0]]
        if wrong or crossing:
            raise ValueError(f"columns: first and last character, without overlap; got {wrong or crossing[0]}")
        return self


AnyFormat = CsvFormat | JsonLinesFormat | ParquetFormat | OrcFormat | AvroFormat | ExcelFormat | FixedWidthFormat
