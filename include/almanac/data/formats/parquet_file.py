"""Opens Parquet files."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from almanac.config.sections.dataset import Dataset
from almanac.data.formats.columnar import ColumnarRecords, check_schema
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.reader import IncompleteFileError
from almanac.errors import DataError

_RECORDS = 100_000


def open_parquet(content: FileContent, dataset: Dataset) -> ColumnarRecords:
    """Check the file and the types of its columns.

    Raises:
        IncompleteFileError: it has no footer.
        DataError: it is not what was declared.
    """
    if content.size_bytes == 0:
        raise DataError(f"{content.name}: empty file; got 0 bytes, expected a Parquet file. Deliver it again.")
    content.check_kind("Parquet")
    if content.is_packed():
        raise DataError(f"{content.name}: Parquet is compressed inside. Deliver it without another compression.")
    with _opened(content) as file:
        size = sum(file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups))
        schema = file.schema_arrow
    if size > content.max_unpacked_bytes:
        raise DataError(
            f"{content.name}: too large; got {size} bytes after unpacking, expected at most source.max_unpacked_mb."
            f" Deliver it in parts, or raise the limit."
        )
    warnings = check_schema(schema, content.name, dataset)
    dataset = dataset.found_in(schema.names)
    return ColumnarRecords(content, dataset, partial(_batches, content, tuple(dataset.columns)), tuple(warnings))


def parquet_schema(content: FileContent) -> Any:
    """Arrow's schema of the file.

    Raises:
        IncompleteFileError: it has no footer.
    """
    with _opened(content) as file:
        return file.schema_arrow


def _batches(content: FileContent, columns: Sequence[str]) -> Iterator[Any]:
    """The file's batches; only what reads it may call it damaged."""
    import pyarrow as pa

    with _opened(content) as file:
        batches = file.iter_batches(batch_size=_RECORDS, columns=list(columns))
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowInvalid, OSError) as error:
                message = str(error).splitlines()[0]
                raise DataError(
                    f"{content.name}: damaged: its Parquet pages cannot be read: {message}. Deliver the file again."
                ) from error
            if batch is None:
                return
            yield batch


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
