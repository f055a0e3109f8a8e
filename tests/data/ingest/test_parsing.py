"""Cells are read as declared or marked; nothing is replaced or guessed."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from almanac.config.sections.dataset import Column
from almanac.data.ingest.parsing import parse_cells
from almanac.errors import DataError
from tests.data.installation import tiny_dataset


def _parse(column: Column, *cells: str | None, decimal: str = ".") -> pl.DataFrame:
    dataset = tiny_dataset(columns={"Time": Column(type="timestamp"), "v": column})
    text = pl.DataFrame({"Time": ["2021-01-01T00:00Z"] * len(cells), "v": cells}, schema_overrides={"v": pl.String})
    numbered = text.with_row_index("_row", offset=1).with_columns(pl.col("_row").cast(pl.Int64))
    return parse_cells(numbered, dataset, decimal, "f.csv")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.5", 1.5),
        (" -2 ", -2.0),
        ("1e3", 1000.0),
        ("+0", 0.0),
        (".5", 0.5),
        ("12,5", None),
        ("1 000", None),
        ("inf", None),
        ("-Infinity", None),
        ("NaN", None),
        ("1e400", None),
        ("0x10", None),
        ("1_000", None),
        ("１", None),
        ("N/A", None),
        ("—", None),
    ],
)
def test_parse_float(cell: str, value: float | None) -> None:
    parsed = _parse(Column(type="float"), cell)
    assert parsed["v"].to_list() == [value]
    assert parsed["v.unparsed"].to_list() == [cell if value is None else None]


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_parse_float_zero_has_one_sign_in_every_frame(rows: int, decimal: str) -> None:
    parsed = _parse(Column(type="float"), *["-0", f"-0{decimal}0", "-1e-400", "-0e0", "0"][:rows], decimal=decimal)
    assert parsed["v"].to_list() == [0.0] * rows
    assert not np.signbit(parsed["v"].to_numpy()).any()


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("7.0", 7),
        ("7.5", None),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("9007199254740993.0", None),
    ],
)
def test_parse_integer(cell: str, value: int | None) -> None:
    assert _parse(Column(type="integer"), cell)["v"].to_list() == [value]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2021-03-28T03:00:00+03:00", datetime(2021, 3, 28, 0, tzinfo=UTC)),
        ("2021-03-28 03:00:00.250 +0300", datetime(2021, 3, 28, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("2021-03-28T00:00Z", datetime(2021, 3, 28, tzinfo=UTC)),
        ("2021-03-28T00:00:00", None),
        ("2021-02-30T00:00:00Z", None),
        ("2021-03-28", None),
        ("28.3.2021 0:00", None),
        ("9999-12-31T23:00:00-05:00", None),
        ("2021-03-28T00:00:00+99:00", None),
    ],
)
def test_parse_timestamp(cell: str, value: datetime | None) -> None:
    assert _parse(Column(type="timestamp"), cell, "2021-03-28T00:00Z")["v"].to_list()[0] == value


def test_parse_decimal_comma_where_declared() -> None:
    parsed = _parse(Column(type="float"), "1,5", "1.5", "1.234,5", decimal=",")
    assert parsed["v"].to_list() == [1.5, None, None]


def test_parse_string_is_left_alone() -> None:
    assert _parse(Column(type="string"), " a ", None, "=1")["v"].to_list() == [" a ", None, "=1"]


def test_parse_empty_cell_is_null_and_not_unparsed() -> None:
    parsed = _parse(Column(type="float"), None)
    assert parsed.select("v", "v.unparsed").row(0) == (None, None)


def test_parse_column_of_times_without_offset_rejects() -> None:
    with pytest.raises(
        DataError, match=r"f.csv: schema: v: timestamp without offset; got '2021-10-28 02:00:00', expec"
    ):
        _parse(Column(type="timestamp"), None, "2021-10-28 02:00:00", "2021-10-28 03:00:00")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2023-07-01 12:00", datetime(2023, 7, 1, 9, tzinfo=UTC)),
        ("2023-01-01T12:00:30.5", datetime(2023, 1, 1, 10, 0, 30, 500000, tzinfo=UTC)),
        ("2023-07-01", datetime(2023, 6, 30, 21, tzinfo=UTC)),
        ("2023-07-01 12:00:00+00:00", datetime(2023, 7, 1, 12, tzinfo=UTC)),
        ("2023-03-26 03:30", None),  # the clock jumps over it
        ("2023-10-29 03:30", None),  # the clock shows it twice
        ("01.07.2023", None),
    ],
)
def test_parse_times_by_a_declared_clock(cell: str, expected: datetime | None) -> None:
    dataset = tiny_dataset(columns={"Time": Column(type="timestamp", timezone="Europe/Helsinki")})
    cells = pl.DataFrame({"_row": [1, 2], "Time": [cell, "2023-07-01 13:00"]})
    read = parse_cells(cells, dataset, ".", "f.csv")
    assert read["Time"][0] == expected
    assert (read["Time.unparsed"][0] is None) == (expected is not None)
