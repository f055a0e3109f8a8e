"""Files as people have them: each is read as its model declares it, or refused with what to declare."""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from almanac.config.sections.dataset import Column
from almanac.config.sections.formats import (
    AnyFormat,
    AvroFormat,
    CsvFormat,
    FixedWidthFormat,
    JsonLinesFormat,
    OrcFormat,
    ParquetFormat,
)
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.formats import open_records
from almanac.data.formats.reader import IncompleteFileError
from almanac.data.ingest.parsing import parse_cells
from almanac.errors import DataError
from tests.data.installation import tiny_dataset

AT = datetime(2021, 1, 1, tzinfo=UTC)
LOCAL = AT.replace(tzinfo=None)
TIME = {"type": "timestamp", "timezone": "UTC"}
PARTS = {"from": ["year", "month", "day", "hour"], "format": "%Y %m %d %H"}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., pl.DataFrame]:
    """`read(content, format, Time=..., x=...)`: the typed rows of a file; columns as they are declared."""

    def opened(content: str | bytes, form: AnyFormat, name: str = "f", **columns: dict[str, Any]) -> pl.DataFrame:
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / "content").write_bytes(raw)
        declared = {name: Column.model_validate(column) for name, column in columns.items()}
        dataset = tiny_dataset(columns={**tiny_dataset().columns, **declared})
        records = open_records(FileContent(tmp_path / "content", name, "", len(raw)), form, dataset)
        opened.warnings = records.warnings  # type: ignore[attr-defined]
        chunks = list(records.chunks())
        opened.malformed = pl.concat(chunk.malformed for chunk in chunks)  # type: ignore[attr-defined]
        cells = pl.concat(chunk.cells for chunk in chunks)
        return parse_cells(cells, dataset, records.decimal, name)

    return opened


TABLES: dict[str, tuple[str | bytes, AnyFormat]] = {
    "plain": ("Time,x,kind\n2021-01-01,1.5,a\n2021-01-02,,b\n", CsvFormat()),
    "no header": ("9,a,1.5,2021-01-01\n9,b,,2021-01-02", CsvFormat(header="none", names=("n", "kind", "x", "Time"))),
    "row names": ('Time,x,kind\n"1",2021-01-01,1.5,a\n"2",2021-01-02,,b\n', CsvFormat(row_names="n")),
    "lines around": (
        "Station 7\n\nTime,x,kind\n# broken here\n2021-01-01,1.5,a\n2021-01-02,,b\nend\n\n",
        CsvFormat(skip_lines=2, footer_lines=2, comment="#"),
    ),
    "lines around, Windows": (
        'Station 7\r\nTime;x;kind\r\n2021-01-01;1,5;a\r\n2021-01-02;;b\r\nä "quoted\r\n'.encode("cp1252"),
        CsvFormat(skip_lines=1, footer_lines=1, delimiter=";", decimal=",", encoding="cp1252"),
    ),
    "old Mac": ("Station\rTime,x,kind\r2021-01-01,1.5,a\r2021-01-02,,b\r", CsvFormat(skip_lines=1)),
    "fixed width": (
        "2021-01-01  1.5a\n2021-01-02     b\n",
        FixedWidthFormat(columns={"Time": (1, 10), "x": (11, 15), "kind": (16, 16)}),
    ),
    "fixed width with notes": (
        "Time        x k\n2021-01-01  1.5a  !\n2021-01-02     b\n-- 2 rows\n",
        FixedWidthFormat(
            columns={"kind": (16, 16), "Time": (1, 10), "x": (11, 15)}, skip_lines=1, footer_lines=1, nulls=("n/a",)
        ),
    ),
    "json lines": (
        '{"Time": "2021-01-01", "x": 1.5, "kind": "a"}\n{"Time": "2021-01-02", "x": null, "kind": "b"}\n',
        JsonLinesFormat(),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_table_is_read_as_it_is_declared(read, name: str) -> None:
    rows = read(*TABLES[name], Time=TIME)
    assert rows["Time"].to_list() == [AT, AT.replace(day=2)]
    assert rows["x"].to_list() == [1.5, None]
    assert rows["kind"].to_list() == ["a", "b"]
    assert rows["_row"].to_list() == [1, 2]
    assert [text for text in read.warnings if "line end" not in text] == []
    assert read.malformed.is_empty()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_footer_lines_are_left_out_and_no_others(read, count: int) -> None:
    lines = [f"2021-01-{day:02},1,a\n" for day in range(1, 6)]
    rows = read("Time,x,kind\n" + "".join(lines), CsvFormat(footer_lines=count), Time=TIME)
    assert rows["Time"].dt.day().to_list() == list(range(1, 6 - count))


def test_malformed_record_of_a_file_without_header_has_its_own_number(read) -> None:
    form = CsvFormat(header="none", names=("Time", "x", "kind"))
    rows = read("2021-01-01,1,a\n2021-01-02,1\n2021-01-03,3,b\n", form, Time=TIME)
    assert rows["_row"].to_list() == [1, 3]
    assert read.malformed["row"].to_list() == [2]


def test_short_line_of_fixed_width_is_malformed_and_has_its_own_number(read) -> None:
    form = FixedWidthFormat(columns={"Time": (1, 10), "x": (11, 15), "kind": (16, 16)})
    rows = read("2021-01-01  1.5a\n2021-01-02\n\n2021-01-03  1.5b\n", form, Time=TIME)
    assert rows["_row"].to_list() == [1, 4]
    assert read.malformed.rows() == [(2, '{"record":"2021-01-02"}')]


def test_time_of_several_columns_is_one_time(read) -> None:
    text = "No,year,month,day,hour,x,kind\n1,2021,1,1,0,1,a\n2,2021.0,12,31,23.0,1,a\n3,2021,,1,0,1,a\n"
    rows = read(text, CsvFormat(), Time={**TIME, **PARTS})
    assert rows["Time"].to_list() == [AT, datetime(2021, 12, 31, 23, tzinfo=UTC), None]
    assert rows["Time.unparsed"].to_list() == [None, None, None], "an empty part makes the time empty"
    assert read.warnings == ("schema: unknown column dropped: No",)


def test_column_of_another_name_and_parts_that_are_declared_too(read) -> None:
    rows = read(
        "year,month,day,hour,Temp [°C],kind\n2021,1,1,7,1.5,a\n",
        CsvFormat(),
        Time={**TIME, **PARTS},
        x={"type": "float", "from": "Temp [°C]"},
        hour={"type": "integer"},
    )
    assert rows.select("x", "hour").row(0) == (1.5, 7)
    assert read.warnings == ()


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ({"nulls": ["NA", "-999"]}, "NA", None),
        ({"nulls": ["NA", "-999"]}, "-999.0", None),
        ({"nulls": ["NA", "-999"]}, "-99", -99.0),
        ({"decimal": ","}, "1,5", 1.5),
        ({"decimal": ","}, "1.5", None),
        ({"thousands": ","}, "1,234,567.5", 1234567.5),
        ({"thousands": ","}, "-1,234", -1234.0),
        ({"thousands": ","}, "123", 123.0),
        ({"thousands": ","}, "1,5", None),
        ({"thousands": ","}, "1,2345", None),
        ({"thousands": ","}, "1234,567", None),
        ({"thousands": ".", "decimal": ","}, "1.234.567,5", 1234567.5),
        ({"thousands": ".", "decimal": ","}, "1.5", None),
        ({"thousands": " "}, "1\u00a0234.5", 1234.5),
        ({"thousands": " "}, "1 234", 1234.0),
        ({"thousands": "'"}, "1'234.5", 1234.5),
    ],
)
def test_number_is_read_as_its_column_declares(read, column: dict[str, Any], text: str, expected: float | None) -> None:
    rows = read(f'Time,x,kind\n2021-01-01,"{text}",a\n', CsvFormat(), Time=TIME, x={"type": "float", **column})
    assert rows["x"].to_list() == [expected]
    meant = expected is not None or text in ("NA", "-999.0")
    assert rows["x.unparsed"].to_list() == [None if meant else text]


def test_whole_numbers_have_signs_between_groups_too(read) -> None:
    rows = read(
        'Time,n,x,kind\n2021-01-01,"1,234",1,a\n', CsvFormat(), Time=TIME, n={"type": "integer", "thousands": ","}
    )
    assert rows["n"].to_list() == [1234]


def test_values_inside_of_json_objects_have_dotted_paths(read) -> None:
    lines = [{"at": {"utc": "2021-01-01"}, "v": {"x": {"mean": n}}, "kind": "a", "tags": [1]} for n in (1.5, None)]
    text = "".join(json.dumps(line) + "\n" for line in [*lines, {"at": 7, "kind": "b"}])
    rows = read(
        text,
        JsonLinesFormat(),
        Time={**TIME, "from": "at.utc"},
        x={"type": "float", "from": "v.x.mean", "nullable": True},
    )
    assert rows["Time"].to_list() == [AT, AT, None]
    assert rows["x"].to_list() == [1.5, None, None]
    assert read.warnings == ("schema: unknown column dropped: tags",)


TYPES: dict[str, tuple[pl.Series, dict[str, Any], object]] = {
    "whole number as text": (pl.Series([7], dtype=pl.Int64), {"type": "string"}, "7"),
    "yes or no as text": (pl.Series([True]), {"type": "string"}, "true"),
    "yes or no as number": (pl.Series([True]), {"type": "integer"}, 1),
    "day": (pl.Series([date(2021, 1, 1)]), TIME, AT),
    "local time": (pl.Series([LOCAL.replace(hour=5, minute=30)]), {**TIME, "timezone": "Asia/Kolkata"}, AT),
    "time with a zone": (pl.Series([AT]), {"type": "timestamp"}, AT),
    "count": (pl.Series([1_609_459_200]), {"type": "timestamp", "format": "epoch s"}, AT),
    "digits": (pl.Series([20210101]), {**TIME, "format": "%Y%m%d"}, AT),
}


@pytest.mark.parametrize("kind", ["parquet", "orc"])
@pytest.mark.parametrize("name", TYPES)
def test_value_of_a_typed_file_is_read_as_its_column_declares(read, name: str, kind: str) -> None:
    values, column, expected = TYPES[name]
    frame = pl.DataFrame({"Time": [AT], "x": [1.5], "kind": ["a"], "v": values})
    form, content = _typed(kind, frame)
    assert read(content, form, v=column)["v"].to_list() == [expected]


def _typed(kind: str, frame: pl.DataFrame) -> tuple[AnyFormat, bytes]:
    buffer = io.BytesIO()
    if kind == "orc":
        from pyarrow import orc

        orc.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()), buffer)
        return OrcFormat(), buffer.getvalue()
    frame.write_parquet(buffer)
    return ParquetFormat(), buffer.getvalue()


def test_avro_is_read(read) -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"Time": [LOCAL], "x": [1.5], "kind": ["a"], "n": [3]}).write_avro(buffer)
    rows = read(buffer.getvalue(), AvroFormat())
    assert rows.select("Time", "x", "kind").row(0) == (AT, 1.5, "a")
    assert read.warnings == ("schema: unknown column dropped: n",)


REFUSED: dict[str, tuple[str | bytes, AnyFormat, dict[str, Any], str]] = {
    "other width than the names": (
        "2021-01-01,1\n",
        CsvFormat(header="none", names=("Time", "x", "kind")),
        TIME,
        "the first line has 2 cells; got '2021-01-01,1', expected the 3 columns of source.format.names",
    ),
    "header is data": ("2021-01-01,1,2\n", CsvFormat(), TIME, "declare header: none with names in source.format"),
    "title above": ("Station\nTime,x,kind\n2021-01-01,1,a\n", CsvFormat(), TIME, "declare skip_lines: 1"),
    "no such part": (
        "year,month,day,x,kind\n2021,1,1,1,a\n",
        CsvFormat(),
        {**TIME, **PARTS},
        "required column missing: hour",
    ),
    "no avro": (b"Time,x,kind\n", AvroFormat(), TIME, "not Avro; got the first bytes of text"),
    "damaged avro": (b"Obj\x01nonsense", AvroFormat(), TIME, "cannot be read as Avro"),
    "no orc": (b"PAR1" + bytes(20), OrcFormat(), TIME, "not ORC; got the first bytes of Parquet"),
    "local times": (
        _typed("parquet", pl.DataFrame({"Time": [LOCAL], "x": [1.0], "kind": ["a"]}))[1],
        ParquetFormat(),
        {"type": "timestamp"},
        "write the zone, or say whose clock it is",
    ),
    "times of a type and a format": (
        _typed("parquet", pl.DataFrame({"Time": [AT], "x": [1.0], "kind": ["a"]}))[1],
        ParquetFormat(),
        {**TIME, "format": "%Y%m%d"},
        "Leave the format out",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_file_that_is_not_as_declared_is_refused_with_what_to_declare(read, name: str) -> None:
    content, form, time, message = REFUSED[name]
    with pytest.raises(DataError) as refused:
        read(content, form, Time=time)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"ORC" + bytes(20), OrcFormat()),
        (b"2021-01-01  1.5a\n2021-01-0", FixedWidthFormat(columns={"Time": (1, 10), "x": (11, 15), "kind": (16, 16)})),
        (b"2021-01-01,1,a\n2021-01-02", CsvFormat(header="none", names=("Time", "x", "kind"))),
    ],
)
def test_file_that_may_still_grow_is_incomplete(read, content: bytes, form: AnyFormat) -> None:
    with pytest.raises(IncompleteFileError):
        read(content, form, Time=TIME)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"header": "none"}, "needs the names of all its columns"),
        ({"names": ["a"]}, "needs the names of all its columns"),
        ({"header": "none", "names": ["a", "a"]}, "each column once"),
        ({"header": "none", "names": ["a"], "detect": True}, "declare the dialect instead"),
        ({"encoding": "hex"}, "no encoding of texts"),
        ({"kind": "fixed_width", "columns": {"a": [3, 1]}}, "without overlap"),
        ({"kind": "fixed_width", "columns": {"a": [1, 3], "b": [3, 4]}}, "without overlap"),
    ],
)
def test_format_that_cannot_work_is_refused(form: dict[str, Any], message: str) -> None:
    made = FixedWidthFormat if form.get("kind") == "fixed_width" else CsvFormat
    with pytest.raises(ValidationError, match=message):
        made.model_validate(form)
