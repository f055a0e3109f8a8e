"""A CSV file that is not as declared is rejected, with a message that says where, what and what to do."""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest

from almanac.config.sections.formats import CsvFormat
from almanac.data.formats.csv_file import open_csv
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.reader import IncompleteFileError
from almanac.errors import DataError
from tests.data.installation import tiny_csv, tiny_dataset

GOOD = tiny_csv([(0, 1.5, "a"), (1, 2.5, "b")])


@dataclass(frozen=True)
class Read:
    cells: pl.DataFrame
    malformed: pl.DataFrame
    blank_records: int
    warnings: tuple[str, ...]


def _read(content: str | bytes, declared: CsvFormat | None = None, **changes: object) -> Read:
    raw = content.encode() if isinstance(content, str) else content
    with TemporaryDirectory() as folder:
        path = Path(folder) / "content"
        path.write_bytes(raw)
        records = open_csv(FileContent(path, "f.csv", "", len(raw)), declared or CsvFormat(), tiny_dataset(**changes))
        chunks = list(records.chunks())
    return Read(
        pl.concat(chunk.cells for chunk in chunks) if chunks else pl.DataFrame(),
        pl.concat(chunk.malformed for chunk in chunks) if chunks else pl.DataFrame(),
        sum(chunk.blank for chunk in chunks),
        records.warnings,
    )


def test_read_csv_good_file() -> None:
    text = _read(GOOD)
    assert text.cells["x"].to_list() == ["1.5", "2.5"]
    assert text.cells["_row"].to_list() == [1, 2]
    assert text.warnings == ()


FAULTS = {
    "empty file; got 0 bytes": b"",
    "empty file; got 3 bytes": b"\n\n\n",
    "got the first bytes of gzip": gzip.compress(GOOD.encode()),
    "got the first bytes of Parquet": b"PAR1" + b"x" * 20,
    "got the first bytes of ZIP or Excel": b"PK\x03\x04" + b"\0" * 20,
    "got the first bytes of UTF-16 text": GOOD.encode("utf-16"),
    "line 3: NUL byte; got 512 of them": GOOD.encode().replace(b"2.5", b"\0" * 512),
    "line 3: not UTF-8; got byte 0xe4": GOOD.encode().replace(b"2.5", "ä".encode("latin-1")),
    "header: wrong delimiter; got ';', expected ','": GOOD.replace(",", ";").encode(),
    "header: wrong delimiter; got '\\t', expected ','": GOOD.replace(",", "\t").encode(),
    "schema: the header is data; got ['2021-01-01T00:00:00+00:00', '1.5', 'a']": GOOD.split("\n", 1)[1].encode(),
    "schema: required column missing: x; got ['Time', 'y', 'kind'], expected ['Time', 'x', 'kind']": GOOD.replace(
        "x", "y", 1
    ).encode(),
    "header: columns given twice; got ['x']": GOOD.replace("kind", "kind,x", 1).encode(),
    "line 3: quotes do not match; got '\"b": GOOD.replace("2.5,b", '2.5,"b').encode(),
}


@pytest.mark.parametrize("message", FAULTS)
def test_read_csv_fault_says_what_is_wrong(message: str) -> None:
    with pytest.raises(DataError, match="^f.csv: .*" + re.escape(message)) as caught:
        _read(FAULTS[message])
    assert not isinstance(caught.value, IncompleteFileError)
    assert str(caught.value).count(". ") >= 1, "a message ends with what to do"


def test_read_csv_byte_order_mark_is_stripped() -> None:
    text = _read(b"\xef\xbb\xbf" + GOOD.encode())
    assert "Time" in text.cells.columns
    assert text.warnings == ("byte-order mark stripped",)


def test_read_csv_header_only_has_no_records() -> None:
    assert _read("Time,x,kind\n").cells.is_empty()
    assert _read("Time,x,kind").cells.is_empty()


@pytest.mark.parametrize("cut", [GOOD[:-6], GOOD[:-14], GOOD[:7]])
def test_read_csv_cut_off_file_is_incomplete(cut: str) -> None:
    with pytest.raises(IncompleteFileError, match=r"incomplete file: its last record is short and has no line end"):
        _read(cut)


def test_read_csv_whole_last_record_without_line_end_is_read_with_a_warning() -> None:
    text = _read(GOOD.rstrip("\n"))
    assert text.cells.height == 2
    assert text.warnings == ("the last record has no line end",)


def test_read_csv_columns_are_bound_by_name() -> None:
    text = _read("kind,extra,x,Time\na,9,1.5,2021-01-01T00:00Z\n")
    assert text.cells["x"].to_list() == ["1.5"]
    assert text.warnings == ("schema: unknown column dropped: extra",)


def test_read_csv_unexpected_column_can_be_refused() -> None:
    extra = GOOD.replace("kind", "kind,extra").replace(",a", ",a,9").replace(",b", ",b,9")
    with pytest.raises(DataError, match=r"schema: unexpected columns; got \['extra'\].*Declare them"):
        _read(extra, on_unexpected_column="reject")
    assert _read(extra, on_unexpected_column="reject", ignored_columns=("extra",)).warnings == ()


def test_read_csv_blank_records_are_counted() -> None:
    text = _read(GOOD.replace("\n", "\n\n") + ",,\n")
    assert text.cells["x"].to_list() == ["1.5", "2.5"]
    assert text.blank_records == 4


def test_read_csv_quoted_fields_may_hold_delimiters_and_lines() -> None:
    text = _read('Time,x,kind\r\n2021-01-01T00:00Z,"1,5","two\r\nlines"\r\n')
    assert text.cells.select("x", "kind").row(0) == ("1,5", "two\r\nlines")


def test_read_csv_declared_delimiter_is_used() -> None:
    text = _read("Time;x;kind\n2021-01-01T00:00Z;1,5;a\n", CsvFormat(delimiter=";", decimal=","))
    assert text.cells["x"].to_list() == ["1,5"]
