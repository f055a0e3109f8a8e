"""Opens Avro files. Their times count from 1970 in UTC, as Avro defines them."""

from collections.abc import Iterator
from typing import Any

from almanac.config.sections.dataset import Dataset
from almanac.data.formats.columnar import ColumnarRecords, check_schema
from almanac.data.formats.file_content import FileContent
from almanac.errors import DataError


def open_avro(content: FileContent, dataset: Dataset) -> ColumnarRecords:
    """Read the file, which is held in memory, and check the types of its columns.

    Raises:
        DataError: it cannot be read, or is not what was declared.
    """
    content.check_kind("Avro")
    table = _read(content)
    if table.nbytes > content.max_unpacked_bytes:
        raise DataError(
            f"{content.name}: too large; got {table.nbytes} bytes after unpacking, expected at most"
            " source.max_unpacked_mb. Deliver it in parts, or raise the limit."
        )
    schema = table.schema
    warnings = check_schema(schema, content.name, dataset)
    dataset = dataset.found_in(schema.names)

    def batches() -> Iterator[Any]:
        return iter(table.select(list(dataset.columns)).to_batches())

    return ColumnarRecords(content, dataset, batches, tuple(warnings))


def avro_schema(content: FileContent) -> Any:
    """Arrow's schema of the file.

    Raises:
        DataError: it cannot be read.
    """
    return _read(content).schema


def _read(content: FileContent) -> Any:
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    try:
        frame = pl.read_avro(content.path)
    except (PolarsError, PanicException, OSError) as error:
        raise DataError(
            f"{content.name}: cannot be read as Avro: {str(error).splitlines()[0]}. Deliver the whole file again; only"
            " records of plain fields can be read."
        ) from error
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    return frame.with_columns(pl.col(times).dt.replace_time_zone("UTC")).to_arrow(compat_level=pl.CompatLevel.oldest())
