"""A table to be checked: a file, or a Delta table at a version, wherever it lies."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.time_format import ISO
from almanac.config.schema import Declared
from almanac.config.sections.dataset import Dataset
from almanac.config.sections.formats import AnyFormat, ParquetFormat
from almanac.data.formats.file_content import FileContent
from almanac.data.table.dataset_snapshot import INTERNAL_COLUMNS
from almanac.data.table.delta_table import open_table, read_errors, scan_table
from almanac.errors import ConfigError, DataError
from almanac.storage.files import exists, read_blocks

if TYPE_CHECKING:
    import polars as pl

_PLAIN = {
    "from_": (),
    "format": ISO,
    "timezone": None,
    "origin": None,
    "decimal": None,
    "thousands": None,
    "nulls": (),
}
"""How a column of a typed table is written: as its type, under its own name."""


@dataclass(frozen=True)
class TableSource:
    """What is to be checked.

    Attributes:
        uri: a file, or the folder of a Delta table; local or in an object store.
        version: of a Delta table; None: the newest.
        since: only rows from this event time on; of a Delta table.
        until: only rows before it.
    """

    uri: str
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class OpenedSource:
    """A private copy of the rows, and how they are read.

    Attributes:
        content: the copy.
        format: of the copy.
        dataset: the declared rules, under the names and in the notation that the copy has.
        version: of the Delta table; None: it is a file.
    """

    content: FileContent
    format: AnyFormat
    dataset: Dataset
    version: int | None


def open_source(source: TableSource, model: Declared, folder: Path) -> OpenedSource:
    """Copy the rows into a folder of this machine.

    A file is read as the model's source declares it. A Delta table has types of its own: its columns are found by the
    declared names, or, where it lacks one, by the names that the source's files have.

    Raises:
        DataError: there is nothing, or no such version, or the table lacks the column of times that a range needs.
        ConfigError: a version or a range is given of a file.
        TransientError: the store is unreachable.
    """
    name = source.uri.rstrip("/").rsplit("/", 1)[-1]
    if exists(source.uri):
        if source.version is not None or source.since or source.until:
            raise ConfigError(
                f"{source.uri}: a file has no versions, and is checked whole; got version {source.version}, since"
                f" {source.since}, until {source.until}. Leave them out, or name the folder of a Delta table"
            )
        content = FileContent.copy(read_blocks(source.uri), name, folder, model.source.max_unpacked_mb * 2**20)
        return OpenedSource(content, model.source.format, model.dataset, None)
    table = open_table(source.uri, source.version)
    if table is None:
        raise DataError(
            f"{source.uri}: nothing to check; got neither a file nor a Delta table, expected one of them. Check the"
            " address, and that this machine may read it"
        )
    return _copied(source, table, model, folder, f"{name}@{table.version()}")


def _copied(source: TableSource, table: Any, model: Declared, folder: Path, name: str) -> OpenedSource:
    """The rows of a Delta table as one Parquet file; they are streamed, never held in memory."""
    rows = scan_table(table)
    columns = rows.collect_schema()
    dataset = _plain(model.dataset) if set(model.dataset.columns) <= set(columns.names()) else model.dataset
    chosen = _within(rows, dataset, source, model).drop(*(one for one in INTERNAL_COLUMNS if one in columns))
    path = folder / "content"
    with read_errors(source.uri):
        chosen.sink_parquet(path)
    what = f"{source.uri} {table.version()} {source.since} {source.until}"
    content = FileContent(path, name, hashlib.sha256(what.encode()).hexdigest(), path.stat().st_size)
    return OpenedSource(content, ParquetFormat(), dataset, table.version())


def _within(rows: "pl.LazyFrame", dataset: Dataset, source: TableSource, model: Declared) -> "pl.LazyFrame":
    import polars as pl

    if source.since is None and source.until is None:
        return rows
    schema, time = rows.collect_schema(), dataset.in_file().time
    if not isinstance(schema.get(time), pl.Datetime):
        raise DataError(
            f"{source.uri}: a range of time needs the column {time!r} of {model.name}; got {schema.get(time)}, expected"
            " times. Check the whole table instead"
        )
    if source.since is not None:
        rows = rows.filter(pl.col(time) >= source.since)
    return rows if source.until is None else rows.filter(pl.col(time) < source.until)


def _plain(dataset: Dataset) -> Dataset:
    columns = {name: column.model_copy(update=_PLAIN) for name, column in dataset.columns.items()}
    return dataset.model_copy(update={"columns": columns})
