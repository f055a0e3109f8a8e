"""Opens a file with the reader of its declared format."""

from include.config.dataset import Dataset
from include.config.formats import CsvFormat, JsonLinesFormat, ParquetFormat
from include.data.csv_file import open_csv
from include.data.file_content import FileContent
from include.data.json_lines import open_json_lines
from include.data.parquet_file import open_parquet
from include.data.records import Records


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
