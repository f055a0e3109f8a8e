"""Opens a file with the reader of its declared format."""

from almanac.config.sections.dataset import Dataset
from almanac.config.sections.formats import CsvFormat, JsonLinesFormat, ParquetFormat
from almanac.data.formats.csv_file import open_csv
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.json_lines import open_json_lines
from almanac.data.formats.parquet_file import open_parquet
from almanac.data.formats.records import Records


def open_records(
    content: FileContent, declared: CsvFormat | JsonLinesFormat | ParquetFormat, dataset: Dataset
) -> Records:
    """Check a file as a file and give its records.

    Raises:
        IncompleteFileError: it ends in the middle of a record.
        DataError: it is not what was declared.
    """
    match declared:
        case CsvFormat():
            return open_csv(content, declared, dataset)
        case JsonLinesFormat():
            return open_json_lines(content, dataset)
        case ParquetFormat():
            return open_parquet(content, dataset)
