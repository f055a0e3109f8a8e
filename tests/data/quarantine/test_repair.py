"""An export comes back as it went out, harmless in a spreadsheet; what is no export is refused with its line."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almanac.data.quarantine.repair import edits_from_json, export_rows, import_rows, parse_edits
from almanac.errors import DataError


def quarantined(*records: dict[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "batch": ["ab" * 32] * len(records),
            "row": range(1, len(records) + 1),
            "raw": [json.dumps(record) for record in records],
            "rules": [["x.range", "y.null"]] * len(records),
        }
    )


def test_export_rows_shows_batch_row_and_rules() -> None:
    lines = export_rows(quarantined({"x": "99", "a,b": None})).decode("utf-8-sig").splitlines()
    assert lines == ['_batch,_row,_rules,x,"a,b"', f"{'ab' * 32},1,x.range y.null,99,"]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\tx", "\rx", "'quoted", "-", "+-1"])
def test_export_rows_no_cell_is_a_formula_and_all_come_back(cell: str) -> None:
    content = export_rows(quarantined({"x": cell}))
    assert f"'{cell}" in content.decode("utf-8-sig")
    assert import_rows(content, "a.csv")[0].cells == {"x": cell}


@pytest.mark.parametrize("cell", ["-5", "+1.5", "-1e-3", "7"])
def test_export_rows_numbers_stay_numbers(cell: str) -> None:
    assert f"y.null,{cell}\r\n" in export_rows(quarantined({"x": cell})).decode("utf-8-sig")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1))
def test_import_rows_gives_back_any_text(cells: list[str]) -> None:
    back = import_rows(export_rows(quarantined(*({"x": cell} for cell in cells))), "a.csv")
    assert [one.cells["x"] for one in back] == cells


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_import_rows_saved_by_a_spreadsheet_of_another_country(delimiter: str) -> None:
    text = f"_batch,_row,_rules,x\r\n{'ab' * 32},7,x.range,\r\n,,,\r\n".replace(",", delimiter)
    (row,) = import_rows(text.encode(), "a.csv")
    assert (row.batch_id, row.row, row.cells) == ("ab" * 32, 7, {"x": None})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x,y\n1,2\n", r"a\.csv: not an export of quarantined rows; got the columns \['x', 'y'\].*quarantine export"),
        (b"", "not an export of quarantined rows"),
        (b"_batch,_row\nab,seven\n", "record 2: _row is not a row number; got 'seven'"),
        (b"_batch,_row\nab,7\nab,7\n", "record 3: row 7 appears twice"),
        (b"_batch,_row,x\nab,7\n", "record 2: got 2 fields, expected 3"),
        (b'_batch,_row\nab,"7', "line 2: not CSV"),
        (b"_batch,_row\n\xff,7\n", "not UTF-8"),
    ],
)
def test_import_rows_what_is_no_export_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_rows(content, "a.csv")


def test_parse_edits_by_row_and_column() -> None:
    assert parse_edits(["7:x=1=2", "7:a:b=", "8:x=3"]) == {7: {"x": "1=2", "a:b": None}, 8: {"x": "3"}}
    with pytest.raises(DataError, match="not an edit; got '7:x', expected ROW:COLUMN=TEXT"):
        parse_edits(["7:x"])


def test_edits_from_json_by_row_and_column() -> None:
    assert edits_from_json({"7": {"x": 0.5, "y": None}}) == {7: {"x": "0.5", "y": None}}
    with pytest.raises(DataError, match="not an edit; got 'seven'"):
        edits_from_json({"seven": {"x": "1"}})
