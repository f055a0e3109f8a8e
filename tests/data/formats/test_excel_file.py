"""Excel files: the declared sheet is read as any other file, or refused with what is there instead."""

import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.config.sections.dataset import Column
from almanac.config.sections.formats import ExcelFormat
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.formats import open_records
from almanac.data.formats.reader import IncompleteFileError
from almanac.data.ingest.parsing import parse_cells
from almanac.errors import DataError
from tests.data.formats.workbook import Cell, make_workbook
from tests.data.installation import tiny_dataset

DAY = datetime(2021, 1, 1)  # noqa: DTZ001 - a workbook knows no zone
ROWS: list[list[Cell]] = [["Time", "x", "kind"], [DAY, 1.5, "a"], [DAY + timedelta(hours=13), None, "b"]]
COLUMNS = {
    "Time": {"type": "timestamp", "timezone": "Europe/Berlin"},
    "x": {"type": "float", "nullable": True},
    "kind": {"type": "string", "nullable": True},
}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., pl.DataFrame]:
    def opened(content: bytes, form: ExcelFormat, most: int = 1 << 40) -> pl.DataFrame:
        (tmp_path / "content").write_bytes(content)
        columns = {name: Column.model_validate(column) for name, column in COLUMNS.items()}
        dataset = tiny_dataset(columns=columns)
        records = open_records(FileContent(tmp_path / "content", "f.xlsx", "", len(content), most), form, dataset)
        return parse_cells(pl.concat(chunk.cells for chunk in records.chunks()), dataset, ".", "f.xlsx")

    return opened


def test_open_excel_gives_times_by_the_declared_clock_and_empty_cells(read) -> None:
    frame = read(make_workbook({"first": ROWS}), ExcelFormat())
    assert frame["Time"].to_list() == [datetime(2020, 12, 31, 23, tzinfo=UTC), datetime(2021, 1, 1, 12, tzinfo=UTC)]
    assert frame.select("x", "kind").rows() == [(1.5, "a"), (None, "b")]


def test_open_excel_takes_the_declared_sheet_below_its_title(read) -> None:
    titled: list[list[Cell]] = [["Station 7"], [], *ROWS]
    content = make_workbook({"notes": [["nothing here"]], "data": titled})
    assert read(content, ExcelFormat(sheet="data", skip_lines=2))["kind"].to_list() == ["a", "b"]


def test_open_excel_puts_numbers_among_texts_as_they_are_shown(read) -> None:
    assert read(make_workbook({"s": [ROWS[0], [DAY, "n/a", 7]]}), ExcelFormat())["kind"].to_list() == ["7"]


@pytest.mark.parametrize(
    ("content", "form", "error", "message"),
    [
        (make_workbook({"a": ROWS}), ExcelFormat(sheet="b"), DataError, r"no sheet 'b'; got \['a'\]. Declare one"),
        (make_workbook({"a": [["Time", "x"], [DAY, 1]]}), ExcelFormat(), DataError, "required column missing: kind"),
        (
            make_workbook({"a": [ROWS[0], [DAY, DAY, "a"]]}),
            ExcelFormat(),
            DataError,
            "schema: x: other type; got timest",
        ),
        (make_workbook({"a": ROWS})[:-200], ExcelFormat(), IncompleteFileError, "the end of the workbook is missing"),
        (b"PK\x03\x04 no archive", ExcelFormat(), IncompleteFileError, "the end of the workbook is missing"),
        (b"Time,x,kind\n", ExcelFormat(), DataError, "not ZIP or Excel; got the first bytes of text"),
    ],
)
def test_open_excel_refuses_what_is_not_as_declared(
    read, content: bytes, form: ExcelFormat, error, message: str
) -> None:
    with pytest.raises(error, match=message):
        read(content, form)


def test_open_excel_of_a_zip_that_is_no_workbook_is_refused(read, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.csv", "Time,x,kind\n")
    with pytest.raises(DataError, match="cannot be read as Excel: "):
        read((tmp_path / "other.zip").read_bytes(), ExcelFormat())


def test_open_excel_of_more_than_the_limit_is_refused_before_it_is_unpacked(read) -> None:
    content = make_workbook({"a": [*ROWS, *([DAY, 1.0, "a" * 1000] for _ in range(300))]})
    assert len(content) < 100_000
    with pytest.raises(DataError, match=r"too large; got \d{6} bytes after unpacking, expected at most"):
        read(content, ExcelFormat(), 100_000)
