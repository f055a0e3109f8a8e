"""Opens ORC files."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from almanac.config.sections.dataset import Dataset
from almanac.data.formats.columnar import ColumnarRecords, check_schema
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.reader import IncompleteFileError
from almanac.errors import DataError


def open_orc(content: FileContent, dataset: Dataset) -> ColumnarRecords:
    """Check the file and the types of its columns.

    Raises:
        IncompleteFileError: it has no footer.
        DataError: it is not what was declared.
    """
    content.check_kind("ORC")
    schema = _opened(content).schema
    warnings = check_schema(schema, content.name, dataset)
    dataset = dataset.found_in(schema.names)
    return ColumnarRecords(content, dataset, partial(_batches, content, tuple(dataset.columns)), tuple(warnings))


def orc_schema(content: FileContent) -> Any:
    """Arrow's schema of the file.

    Raises:
        IncompleteFileError: it has no footer.
    """
    return _opened(content).schema


def _batches(content: FileContent, columns: Sequence[str]) -> Iterator[Any]:
    """A batch for each stripe."""
    import pyarrow as pa

    file, unpacked = _opened(content), 0
    for number in range(file.nstripes):
        try:
            batch = file.read_stripe(number, columns=list(columns))
        except (pa.ArrowInvalid, OSError) as error:
            said = str(error).splitlines()[0]
            raise DataError(
                f"{content.name}: damaged: its ORC stripe {number} cannot be read: {said}. Deliver the file again."
            ) from error
        unpacked += batch.nbytes
        if unpacked > content.max_unpacked_bytes:
            raise DataError(
                f"{content.name}: too large; got more than {content.max_unpacked_bytes} bytes after unpacking, expected"
                " at most source.max_unpacked_mb. Deliver it in parts, or raise the limit."
            )
        yield batch


def _opened(content: FileContent) -> Any:
    import pyarrow as pa
    from pyarrow import orc

    try:
        return orc.ORCFile(str(content.path))
    except (pa.ArrowInvalid, OSError) as error:
        raise IncompleteFileError(
            f"{content.name}: incomplete file: its ORC footer cannot be read ({str(error).splitlines()[0]})."
            " Deliver the whole file again."
        ) from error
