"""Binds the columns of a file to the declared ones: other names, times in several columns, texts that mean nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from almanac.config.sections.dataset import Column, Dataset
from almanac.data.formats.reader import RecordChunk, RecordReader

if TYPE_CHECKING:
    import polars as pl

_WHOLE = r"^\s*(\d+)(?:\.0+)?\s*$"  # a part of a time; writers that know no empty integer write 2010.0


@dataclass(frozen=True)
class BoundRecords:
    """The records of a file under the declared names; undeclared columns keep their own.

    Attributes:
        records: as the file has them.
        dataset: the declared columns.
    """

    records: RecordReader
    dataset: Dataset

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about the file and did not stop it."""
        return self.records.warnings

    @property
    def decimal(self) -> str:
        """The decimal sign of its numbers, where a column declares no other."""
        return self.records.decimal

    @property
    def may_be_cut(self) -> bool:
        """Whether the last record may go on."""
        return self.records.may_be_cut

    def chunks(self) -> Iterator[RecordChunk]:
        """The records, chunk by chunk."""
        for chunk in self.records.chunks():
            yield replace(chunk, cells=_bound(chunk.cells, self.dataset))


def bind(records: RecordReader, dataset: Dataset) -> RecordReader:
    """The records with the declared columns; the same object where the file's columns are those."""
    needed = any(column.from_ or column.nulls or column.optional for column in dataset.delivered.values())
    return BoundRecords(records, dataset) if needed else records


def _bound(cells: "pl.DataFrame", dataset: Dataset) -> "pl.DataFrame":
    import polars as pl

    declared = dataset.delivered
    absent = [name for name, column in declared.items() if column.optional and _source(name, column) not in cells]
    columns = [
        (pl.lit(None, pl.String) if name in absent else _cell(name, column)).alias(name)
        for name, column in declared.items()
    ]
    used = {source for column in declared.values() for source in column.from_}
    return cells.select(*columns, pl.exclude({*declared, *used}))


def join_parts(sources: Sequence[str]) -> "pl.Expr":
    """The cells of several columns as one text, with a space between them; null where one is empty."""
    import polars as pl

    parts = [pl.col(source).str.replace(_WHOLE, "${1}").str.strip_chars() for source in sources]
    return pl.concat_str(parts, separator=" ")


def _cell(name: str, column: Column) -> "pl.Expr":
    import polars as pl

    cell = join_parts(column.from_) if len(column.from_) > 1 else pl.col(_source(name, column))
    if not column.nulls:
        return cell
    means_nothing = cell.str.strip_chars().is_in(column.nulls)
    if column.type in ("float", "integer") and (
        numbers := [n for text in column.nulls if (n := _number(text)) is not None]
    ):
        means_nothing |= cell.str.strip_chars().cast(pl.Float64, strict=False).is_in(numbers).fill_null(value=False)
    return pl.when(~means_nothing).then(cell)


def _source(name: str, column: Column) -> str:
    """The file's column of a declared one, where it is one."""
    return (column.from_ or (name,))[0]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
