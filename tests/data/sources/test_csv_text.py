"""Fetched records as CSV: whatever a record holds comes back as the same text, or as nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almanac.config.sections.formats import CsvFormat
from almanac.data.formats.csv_file import open_csv
from almanac.data.formats.file_content import FileContent
from almanac.data.sources.csv_text import to_csv
from almanac.errors import DataError
from tests.data.installation import tiny_dataset


def read(content: bytes) -> pl.DataFrame:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "content"
        path.write_bytes(content)
        records = open_csv(FileContent(path, "a.csv", "", len(content)), CsvFormat(), tiny_dataset())
        return pl.concat(chunk.cells for chunk in records.chunks())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (1.5, "1,5"),
        (Decimal("1.10"), "1,10"),
        (7, "7"),
        (datetime(2021, 1, 1, tzinfo=UTC), "2021-01-01T00:00:00+00:00"),
        (datetime(2021, 1, 1), "2021-01-01T00:00:00"),  # noqa: DTZ001 - as some databases give it
        (date(2021, 1, 1), "2021-01-01"),
        (b"\xff", "ff"),
        ({"a": [1, "ü"]}, '"{""a"": [1, ""ü""]}"'),
    ],
)
def test_to_csv_values_in_the_declared_dialect(value: object, text: str) -> None:
    form = CsvFormat(delimiter=";", decimal=",")
    assert to_csv([{"a": "x", "b": value}], form).decode() == f"a;b\r\nx;{text}\r\n"


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1))
def test_to_csv_any_text_comes_back(texts: list[str]) -> None:
    records = [{"Time": "t", "x": text, "kind": None} for text in texts]
    back = read(to_csv(records, CsvFormat()))
    assert back["x"].to_list() == texts
    assert back["kind"].to_list() == [None] * len(texts)


def test_to_csv_columns_in_the_order_of_their_first_sight() -> None:
    assert to_csv([{"b": 1}, {"a": 2, "b": 3}], CsvFormat()) == b"b,a\r\n1,\r\n3,2\r\n"


def test_to_csv_what_is_no_utf8_is_rejected_by_the_checks_of_files() -> None:
    content = to_csv([{"Time": "\ud800", "x": 1, "kind": "a"}], CsvFormat())
    with pytest.raises(DataError, match="not UTF-8"):
        read(content)
