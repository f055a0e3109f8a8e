"""Opens a file with the reader of its declared format."""

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
from almanac.data.formats.avro_file import open_avro
from almanac.data.formats.bound import bind
from almanac.data.formats.csv_file import open_csv
from almanac.data.formats.excel_file import open_excel
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.fixed_width import open_fixed_width
from almanac.data.formats.json_lines import open_json_lines
from almanac.data.formats.orc_file import open_orc
from almanac.data.formats.parquet_file import open_parquet
from almanac.data.formats.reader import RecordReader


def open_records(content: FileContent, declared: AnyFormat, dataset: Dataset) -> RecordReader:
    """Check a file as a file and give its records, with the declared columns.

    Raises:
        IncompleteFileError: it ends in the middle of a record.
        DataError: it is not what was declared.
    """
    return bind(_open(content, declared, dataset.in_file()), dataset)


def _open(content: FileContent, declared: AnyFormat, in_file: Dataset) -> RecordReader:
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
