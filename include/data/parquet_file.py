"""Reads Parquet, its values as text, so that the same checks read them as those of any other file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.config.dataset import Column, Dataset
from include.data.file_content import FileContent
from include.data.header import check_header
from include.data.records import ROW, Chunk, IncompleteFileError, make_chunk
from include.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_RECORDS = 100_000


@dataclass(frozen=True)
class ParquetRecords:
    """The records of a Parquet file; only columns that somebody declared are opened."""

    content: FileContent
    columns: tuple[str, ...]
    warnings: tuple[str, ...]
    decimal: str = "."
    may_be_cut: bool = False

    def chunks(self) -> Iterator[Chunk]:
        """Read the file from its beginning."""
        import polars as pl

        done = 0
        with _opened(self.content) as file:
            for batch in _batches(file, self.columns, self.content.name):
                frame = pl.DataFrame(pl.from_arrow(batch)).select(self.columns)
                rows = pl.int_range(done + 1, done + frame.height + 1, eager=True).alias(ROW)
                done += frame.height
                yield make_chunk(frame.select(_as_text(name, frame[name].dtype) for name in frame.columns)
                                 .with_columns(rows), [])  # fmt: skip


def _batches(file: Any, columns: Sequence[str], name: str) -> Iterator[Any]:
    """The file's batches; only what reads it may call it damaged."""
    import pyarrow as pa

    batches = file.iter_batches(batch_size=_RECORDS, columns=list(columns))
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowInvalid, OSError) as error:
            said = str(error).splitlines()[0]
            raise DataError(
                f"{name}: damaged: its Parquet pages cannot be read: {said}. Deliver the file again."
            ) from error
        if batch is None:
            return
        yield batch


def open_parquet(content: FileContent, dataset: Dataset) -> ParquetRecords:
    """Check the file and the types of its columns.

    Raises:
        IncompleteFileError: it has no footer.
        DataError: it is not what was declared.
    """
    import polars as pl

    if content.size_bytes == 0:
        raise DataError(f"{content.name}: empty file; got 0 bytes, expected a Parquet file. Deliver it again.")
    content.check_kind("Parquet")
    if content.is_packed():
        raise DataError(f"{content.name}: Parquet is compressed inside. Deliver it without another compression.")
    with _opened(content) as file:
        size = sum(file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups))
        schema = pl.DataFrame(pl.from_arrow(file.schema_arrow.empty_table())).schema
    if size > content.max_unpacked_bytes:
        raise DataError(
            f"{content.name}: too large; got {size} bytes after unpacking, expected at most source.max_unpacked_mb."
            f" Deliver it in parts, or raise the limit."
        )
    warnings = check_header(list(schema), content.name, dataset)
    for name, column in dataset.columns.items():
        _check_type(name, column, schema[name], content.name)
    return ParquetRecords(content, tuple(dataset.columns), tuple(warnings))


def _opened(content: FileContent) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(content.path, page_checksum_verification=True)  # where its writer wrote them
    except (pa.ArrowInvalid, OSError) as error:
        raise IncompleteFileError(
            f"{content.name}: incomplete file: its Parquet footer cannot be read ({str(error).splitlines()[0]})."
            f" Deliver the whole file again."
        ) from error


def _check_type(name: str, column: Column, found: "pl.DataType", file: str) -> None:
    import polars as pl

    if column.type == "timestamp" and isinstance(found, pl.Datetime) and found.time_zone is None:
        raise DataError(
            f"{file}: schema: {name}: timestamp without offset; got a column of local times, expected times with a zone"
            f" (UTC-adjusted). Local times without an offset are ambiguous twice a year: write the zone."
        )
    text = found.is_(pl.String) or found.is_(pl.Null)
    fits = {
        "timestamp": isinstance(found, pl.Datetime),
        "float": found.is_numeric(),
        "integer": found.is_numeric(),
        "string": isinstance(found, pl.Categorical | pl.Enum),
    }
    if not (text or fits[column.type]):
        raise DataError(
            f"{file}: schema: {name}: other type; got {found}, declared {column.type}. Write the column as declared."
        )


def _as_text(name: str, dtype: "pl.DataType") -> "pl.Expr":
    import polars as pl

    value = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return value.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00:00")
    return pl.when(value.cast(pl.String) != "").then(value.cast(pl.String)).alias(name)
