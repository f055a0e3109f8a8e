"""Records that were read as something else: as text of a quoted cell, or below a header of another order."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from almanac.config.sections.dataset import Dataset
from almanac.data.formats.reader import ROW
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_LINE = re.compile(r"\r\n|\n|\r")
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_ENOUGH = 2


def check_swallowed(
    texts: Sequence[tuple[int, str]], header: Sequence[str], delimiter: str, dataset: Dataset, name: str
) -> None:
    """Refuse records that hold several lines of which each is a record: two stray quotes swallow what is between.

    A text of several lines is not an error; that two of them have the columns of the header, with times and numbers
    where these are declared, is no accident.

    Args:
        texts: number and text of records that hold line ends.
        header: the file's columns.
        delimiter: between them.
        dataset: the declared columns.
        name: of the file.

    Raises:
        DataError: there is one.
    """
    typed = {
        position: dataset.columns[column].type == "timestamp"
        for position, column in enumerate(header)
        if column in dataset.columns and dataset.columns[column].type != "string"
    }
    for row, text in texts:
        lines = _LINE.split(text)
        found = sum(_is_record(line.split(delimiter), len(header), typed) for line in lines)
        if found >= _ENOUGH:
            raise DataError(
                f"{name}: record {row}: a quoted cell holds {found} records; got {lines[0][:60]!r} and what follows,"
                " expected one line. A stray quote opens the cell and another one closes it: remove both, or double the"
                " quotes that belong to the text."
            )


def _is_record(cells: Sequence[str], width: int, typed: dict[int, bool]) -> bool:
    if len(cells) != width:
        return False
    values = [(cells[position].strip(" \"'"), is_time) for position, is_time in typed.items()]
    fits = all(not value or (is_time and value[0].isdigit()) or _NUMBER.fullmatch(value) for value, is_time in values)
    return fits and any(value for value, _ in values)


def check_headers(frame: "pl.DataFrame", header: Sequence[str], digits: str | None, name: str) -> None:
    """Refuse a second header that names the columns otherwise: what is below it would be read by the first one.

    Args:
        frame: records as text, and their numbers.
        header: the file's columns, as the frame has them.
        digits: a column of times or numbers: where no digit stands in it, the record may be a header. None: there is
            none.
        name: of the file.

    Raises:
        DataError: there is one.
    """
    import polars as pl

    if digits is None:
        return
    suspect = frame.filter(~pl.col(digits).str.contains(r"\d"))
    for row, cells in zip(suspect[ROW], suspect.drop(ROW).iter_rows(), strict=True):
        names = [(cell or "").strip() for cell in cells]
        if names != list(header) and sum(cell in header for cell in names) >= _ENOUGH:
            raise DataError(
                f"{name}: record {row} is a second header; got {names}, expected the columns in the order of the first,"
                f" {list(header)}. Deliver the parts below the two headers as files of their own."
            )
