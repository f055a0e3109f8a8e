"""How files are written: `source.format` of a model's YAML.

Compression is not declared here: the name says it (`.gz`, `.zst`), and the first bytes must agree with the name.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section

Encoding = Literal["utf-8", "utf-16", "latin-1", "cp1252"]
DELIMITERS = (",", ";", "\t", "|")


class CsvFormat(Section):
    """A file that is written otherwise is rejected, unless `detect` allows to look.

    Looking chooses from closed lists (the delimiters `,` `;` tab `|`, a decimal point or comma, UTF-8, UTF-16 with its
    mark, cp1252), and only where one choice alone fits the declared columns.
    """

    kind: Literal["csv"] = "csv"
    detect: bool = False
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    encoding: Encoding = "utf-8"
    nulls: tuple[str, ...] = Field((), description="Texts that mean an empty cell, e.g. NA; no others do.")

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
