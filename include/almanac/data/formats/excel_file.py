"""Opens Excel files (`.xlsx`): one sheet, with a header. The sheet is held in memory."""

import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from almanac.config.sections.dataset import Dataset
from almanac.config.sections.formats import ExcelFormat
from almanac.data.formats.columnar import ColumnarRecords, check_schema
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.reader import IncompleteFileError
from almanac.display import join_names
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def open_excel(content: FileContent, declared: ExcelFormat, dataset: Dataset) -> ColumnarRecords:
    """Read the sheet and check the types of its columns.

    Raises:
        IncompleteFileError: the end of the file is missing.
        DataError: it cannot be read, has no such sheet, or is not what was declared.
    """
    table = _read_table(content, declared)
    schema = table.schema
    warnings = check_schema(schema, content.name, dataset)
    dataset = dataset.found_in(schema.names)

    def batches() -> Iterator[Any]:
        return iter(table.select(list(dataset.columns)).to_batches())

    return ColumnarRecords(content, dataset, batches, tuple(warnings))


def excel_schema(content: FileContent, declared: ExcelFormat) -> Any:
    """Arrow's schema of the sheet.

    Raises:
        DataError: it cannot be read, or there is none of this name.
    """
    return _read_table(content, declared).schema


def _read_table(content: FileContent, declared: ExcelFormat) -> Any:
    import polars as pl

    return _read_sheet(content, declared).to_arrow(compat_level=pl.CompatLevel.oldest())


def _read_sheet(content: FileContent, declared: ExcelFormat) -> "pl.DataFrame":
    """The sheet as the file has it: numbers, texts, truth values, and times without a zone.

    Raises:
        IncompleteFileError: the end of the file is missing.
        DataError: it cannot be read, or has no such sheet.
    """
    import fastexcel
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    content.check_kind("ZIP or Excel")
    _check_size(content)
    sheet = _find_sheet(content, declared.sheet)
    try:
        frame = pl.read_excel(
            content.path,
            sheet_name=sheet,
            engine="calamine",
            infer_schema_length=None,
            drop_empty_rows=False,
            raise_if_empty=False,
            read_options={"header_row": declared.skip_lines},
        )
    except (fastexcel.FastExcelError, PolarsError, PanicException, ValueError) as error:
        raise DataError(
            f"{content.name}: sheet {sheet!r}: cannot be read: {_first_line(error)}. Save the workbook as .xlsx again."
        ) from error
    return frame.with_columns(pl.selectors.date().cast(pl.Datetime("ms")))


def _find_sheet(content: FileContent, wanted: str | None) -> str:
    """The name of the declared sheet, or of the first one.

    Raises:
        DataError: there is none.
    """
    import fastexcel

    try:
        sheets = fastexcel.read_excel(content.path).sheet_names
    except fastexcel.FastExcelError as error:
        raise DataError(
            f"{content.name}: cannot be read as Excel: {_first_line(error)}. Save the workbook as .xlsx again."
        ) from error
    if wanted is not None and wanted not in sheets:
        raise DataError(
            f"{content.name}: no sheet {wanted!r}; got [{join_names(sheets)}]. Declare one of them in"
            " source.format.sheet."
        )
    if not sheets:
        raise DataError(f"{content.name}: no sheet; expected a workbook with at least one.")
    return wanted or str(sheets[0])


def _check_size(content: FileContent) -> None:
    """Refuse a workbook that unpacks to more than is allowed, before it is unpacked."""
    try:
        with zipfile.ZipFile(content.path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise IncompleteFileError(
            f"{content.name}: incomplete file: the end of the workbook is missing or damaged ({error}). Deliver it"
            " again."
        ) from error
    if size > content.max_unpacked_bytes:
        raise DataError(
            f"{content.name}: too large; got {size} bytes after unpacking, expected at most source.max_unpacked_mb."
            " Deliver it in parts, or raise the limit."
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
