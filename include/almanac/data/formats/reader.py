"""What every reader of files gives: records as text cells, chunk by chunk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

ROW = "_row"


class IncompleteFileError(DataError):
    """The file ends in the middle of a record: it may still be growing, or was cut off."""


@dataclass(frozen=True)
class RecordChunk:
    """Some records in a row.

    Attributes:
        cells: all columns of the file as text, empty cells as null, and `_row`: the number of the record, from 1.
        malformed: `row` and `raw` of records that do not have the file's columns.
        blank: how many records held nothing at all.
    """

    cells: "pl.DataFrame"
    malformed: "pl.DataFrame"
    blank: int = 0


class RecordReader(Protocol):
    """The records of one file that was found to be what its model declares."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about the file and did not stop it."""

    @property
    def decimal(self) -> str:
        """The decimal sign of its numbers."""

    @property
    def may_be_cut(self) -> bool:
        """Whether the last record may go on: nothing ends it, and its last cell may be the beginning of another."""

    def chunks(self) -> Iterator[RecordChunk]:
        """Read the file from its beginning; can be called again, and gives the same again.

        Raises:
            DataError: it cannot be read to its end.
        """


def make_chunk(cells: "pl.DataFrame", malformed: "list[tuple[int, str]]") -> RecordChunk:
    """A chunk without its blank records, which are counted.

    Args:
        cells: as in `Chunk`, with blank records.
        malformed: numbers and texts of records that could not be read; a line of spaces is a blank record.
    """
    import polars as pl

    torn = [one for one in malformed if one[1].strip()]
    filled = cells.filter(pl.any_horizontal(pl.exclude(ROW).is_not_null())) if cells.height else cells
    raw = pl.DataFrame(torn, schema={"row": pl.Int64, "raw": pl.String}, orient="row")
    as_cells = raw.with_columns(raw=pl.struct(record="raw").struct.json_encode()) if raw.height else raw
    return RecordChunk(filled, as_cells, cells.height - filled.height + len(malformed) - len(torn))
