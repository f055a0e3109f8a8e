"""Opens a file with the reader of its declared format."""

from typing import Any

from almanac.config.sections.dataset import Dataset
from almanac.config.sections.formats import (
    AnyFormat,
    AvroFormat,
    CsvFormat,
    ExcelFormat,
    FixedWidthFormat,
    JsonLinesFormat,
    OrcFormat,
    ParquetFormat,
)
from almanac.data.formats.avro_file import avro_schema, open_avro
from almanac.data.formats.bound import bind
from almanac.data.formats.csv_file import open_csv
from almanac.data.formats.excel_file import excel_schema, open_excel
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.fixed_width import open_fixed_width
from almanac.data.formats.json_lines import open_json_lines
from almanac.data.formats.orc_file import open_orc, orc_schema
from almanac.data.formats.parquet_file import open_parquet, parquet_schema
from almanac.data.formats.reader import RecordReader
from almanac.errors import DataError


def open_records(content: FileContent, declared: AnyFormat, dataset: Dataset) -> RecordReader:
    """Check a file as a file and give its records, with the declared columns.

    Raises:
        IncompleteFileError: it ends in the middle of a record.
        DataError: it is not what was declared.
    """
    return bind(open_in_file(content, declared, dataset.in_file()), dataset)


def read_schema(content: FileContent, declared: AnyFormat) -> Any:
    """The columns of a file with types, as arrow's schema.

    Raises:
        DataError: it cannot be read, or its format has no types.
    """
    match declared:
        case ParquetFormat():
            return parquet_schema(content)
        case OrcFormat():
            return orc_schema(content)
        case AvroFormat():
            return avro_schema(content)
        case ExcelFormat():
            return excel_schema(content, declared)
    raise DataError(f"{content.name}: {declared.kind} has no types")


def open_in_file(content: FileContent, declared: AnyFormat, in_file: Dataset) -> RecordReader:
    """The same with the columns under the file's own names.

    Raises:
        IncompleteFileError: it ends in the middle of a record.
        DataError: it is not what was declared.
    """
    match declared:
        case CsvFormat():
            return open_csv(content, declared, in_file)
        case JsonLinesFormat():
            return open_json_lines(content, in_file)
        case ParquetFormat():
            return open_parquet(content, in_file)
        case OrcFormat():
            return open_orc(content, in_file)
        case AvroFormat():
            return open_avro(content, in_file)
        case ExcelFormat():
            return open_excel(content, declared, in_file)
        case FixedWidthFormat():
            return open_fixed_width(content, declared, in_file)
