"""Parquet files that are written chunk by chunk, so that memory does not grow with their number of rows."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    import polars as pl

_MAX_OPEN = 64
_ROWS_AT_ONCE = 50_000
_MILLISECOND = timedelta(milliseconds=1)


@dataclass
class PartFile:
    """One finished file of one month, and what Delta's log says about it so that readers can leave it closed."""

    path: Path
    month: str
    rows: int = 0
    smallest: dict[str, Any] = field(default_factory=dict)
    largest: dict[str, Any] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)

    def stats(self) -> str:
        """The statistics as Delta's protocol writes them; times in milliseconds, rounded outwards."""
        return json.dumps(
            {
                "numRecords": self.rows,
                "minValues": {name: _plain(value) for name, value in self.smallest.items()},
                "maxValues": {
                    name: _plain(_rounded_up(value) if isinstance(value, datetime) else value)
                    for name, value in self.largest.items()
                },
                "nullCount": self.nulls,
            }
        )

    def count(self, rows: "pl.DataFrame") -> None:
        """Take these rows into the statistics."""
        import polars as pl

        self.rows += rows.height
        for column in rows.get_columns():
            name = column.name
            self.nulls[name] = self.nulls.get(name, 0) + column.null_count()
            if column.dtype.is_(pl.String) or column.null_count() == len(column):
                continue
            low: Any = column.min()
            high: Any = column.max()
            self.smallest[name] = min(self.smallest.get(name, low), low)
            self.largest[name] = max(self.largest.get(name, high), high)


class RowFile:
    """A Parquet file that grows by frames of one schema. It exists once something was written."""

    def __init__(self, path: Path, compression: str = "lz4") -> None:
        self.path = path
        self.rows = 0
        self._compression = compression
        self._writer: Any = None

    def write(self, frame: "pl.DataFrame") -> None:
        """Append the rows as a row group of their own."""
        import pyarrow.parquet as pq

        if frame.is_empty():
            return
        table = frame.to_arrow()
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self.path, table.schema, compression=self._compression, store_schema=False, use_dictionary=_texts(frame)
            )
        self._writer.write_table(table)
        self.rows += frame.height

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def paths(self) -> list[Path]:
        """The file, if it exists."""
        return [self.path] if self.rows else []


class PartWriter:
    """Writes rows into one file per month, several where the months come back after many others."""

    def __init__(self, folder: Path, month_column: str) -> None:
        self.parts: list[PartFile] = []
        self._folder, self._month = folder, month_column
        self._open: dict[str, tuple[PartFile, RowFile]] = {}

    def write(self, rows: "pl.DataFrame") -> None:
        """Append rows of any months; the month itself becomes part of the file's place, not of the file."""
        for (month,), group in rows.partition_by(self._month, as_dict=True, include_key=False).items():
            part, file = self._file(str(month))
            file.write(group)
            part.count(group)

    def close(self) -> None:
        """Finish all files."""
        for _, file in self._open.values():
            file.close()
        self._open.clear()

    def _file(self, month: str) -> tuple[PartFile, RowFile]:
        if month not in self._open:
            if len(self._open) >= _MAX_OPEN:
                self._open.pop(next(iter(self._open)))[1].close()
            part = PartFile(self._folder / f"{uuid4()}.parquet", month)
            self.parts.append(part)
            self._open[month] = (part, RowFile(part.path, "zstd"))
        return self._open[month]


def iterate(paths: Sequence[Path]) -> "Iterator[pl.DataFrame]":
    """The rows of these files, one after the other, some row groups at a time."""
    import polars as pl
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path) as file:
            waiting: list[int] = []
            rows = 0
            for number in range(file.num_row_groups):
                waiting.append(number)
                rows += file.metadata.row_group(number).num_rows
                if rows >= _ROWS_AT_ONCE or number + 1 == file.num_row_groups:
                    yield pl.DataFrame(pl.from_arrow(file.read_row_groups(waiting)))
                    waiting, rows = [], 0


def _texts(frame: "pl.DataFrame") -> list[str]:
    import polars as pl

    return [name for name, dtype in frame.schema.items() if dtype.is_(pl.String)]


def _rounded_up(time: datetime) -> datetime:
    """A time that is still right when what is below a millisecond is cut off; whole ones stay what they are."""
    return time if time.microsecond % 1000 == 0 else time + _MILLISECOND


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return value
