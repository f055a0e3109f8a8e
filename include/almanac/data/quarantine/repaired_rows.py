"""Repaired rows as records, so that they pass the same checks as those of a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from almanac.config.schema import Declared
from almanac.config.sections.formats import CsvFormat, FixedWidthFormat
from almanac.data.formats.reader import ROW, RecordChunk, RecordReader
from almanac.data.quarantine.repair import Cells
from almanac.errors import DataError

FORM = CsvFormat()  # how we write them to be read again; their numbers stay as the sender wrote them
_MALFORMED = "record"  # the one cell of a record that had not the file's columns


@dataclass(frozen=True)
class RepairedRecords:
    """Records under the numbers that they had in their own file, with its decimal sign.

    Attributes:
        records: as they were written to be read again, numbered from 1.
        numbers: the number of each in its own file.
        decimal: of that file.
    """

    records: RecordReader
    numbers: tuple[int, ...]
    decimal: str
    may_be_cut: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about them."""
        return self.records.warnings

    def chunks(self) -> Iterator[RecordChunk]:
        """The records, chunk by chunk."""
        import polars as pl

        for chunk in self.records.chunks():
            numbers = pl.Series(ROW, [self.numbers[row - 1] for row in chunk.cells[ROW]], dtype=pl.Int64)
            yield replace(chunk, cells=chunk.cells.with_columns(numbers))


def decimal_of(model: Declared) -> str:
    """The decimal sign of the model's files."""
    form = model.source.format
    return form.decimal if isinstance(form, CsvFormat | FixedWidthFormat) else "."


def edit(model: Declared, row: int, record: Mapping[str, str | None], changes: Cells) -> dict[str, str | None]:
    """A quarantined record with its changes; one that had not the file's columns starts with nothing in each.

    Args:
        model: whose record.
        row: its number, for messages.
        record: its cells, as they are kept.
        changes: column -> new text.

    Raises:
        DataError: it has no such columns.
    """
    declared = model.dataset.delivered
    malformed = list(record) == [_MALFORMED] and _MALFORMED not in declared
    # columns that were declared after the row came are empty
    base: dict[str, str | None] = {**dict.fromkeys(declared), **({} if malformed else record)}
    changed = {name: text for name, text in changes.items() if not (malformed and name == _MALFORMED)}
    if columns := sorted(set(changed) - set(base)):
        raise DataError(
            f"{model.name}: row {row} has no columns {columns}; it has {list(base)}. Check the names in the edits."
        )
    return {**base, **changed}
