"""Formats of times are checked when the YAML is read: what could never be read is refused, with what to write."""

from typing import Any

import pytest
from pydantic import ValidationError

from almanac.config.grammar.encoding import check_encoding
from almanac.config.grammar.time_format import parse_time_format
from almanac.config.sections.dataset import Column


@pytest.mark.parametrize(
    "text", ["iso", "excel", "epoch s", "epoch d", "elapsed min", "%d-%m-%Y", "%Y %m %d %H", "%y%j", "%I:%M %p %d%b%y"]
)
def test_format_that_can_be_read_is_accepted_and_has_an_example(text: str) -> None:
    assert parse_time_format(text).example


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dd/mm/yyyy", "no such format"),
        ("epoch", "no such format"),
        ("epoch min", "no such unit"),
        ("%Q", "unknown directives"),
        ("%Y-%m-%d%", "unknown directives"),
        ("%H:%M", "does not say the day"),
        ("%Y-%m", "does not say the day"),
        ("%d-%m %H:%M", "does not say the day"),
        ("%m/%d/%Y %I:%M", "does not say the hour"),
        ("%Y-%m-%d %M:%S", "does not say the hour"),
        ("%Y-%m-%d %H:%M:%S,%f", "%f must stand behind a point"),
        ("%Y-%Y-%m-%d", "cannot be read"),
    ],
)
def test_format_that_could_never_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_time_format(text)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"format": "%d-%m-%Y"}, "needs timezone: whose clock do the times show"),
        ({"format": "excel"}, "needs timezone"),
        ({"format": "epoch s", "timezone": "UTC"}, "says the offset itself; leave timezone out"),
        ({"format": "%d-%m-%Y %H:%M %z", "timezone": "UTC"}, "says the offset itself"),
        ({"format": "elapsed h"}, "origin belongs to format 'elapsed ...'"),
        ({"origin": "2020-01-01T00:00:00Z"}, "origin belongs to format 'elapsed ...'"),
        ({"from": ["day", "hour"], "format": "%d-%m-%Y", "timezone": "UTC"}, "a part of format for each"),
        ({"from": ["a", "a"], "format": "%d-%m-%Y %H", "timezone": "UTC"}, "each once"),
        ({"type": "float", "format": "excel"}, "only type timestamp has them"),
        ({"type": "float", "from": ["a", "b"]}, "several columns form one time"),
        ({"type": "string", "decimal": ","}, "need type float or integer"),
        ({"type": "float", "thousands": ",", "decimal": ","}, "the same sign as the decimal one"),
        ({"type": "float", "thousands": ".", "decimal": "."}, "the same sign as the decimal one"),
    ],
)
def test_column_whose_format_does_not_fit_is_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Column.model_validate({"type": "timestamp", **how})


def test_column_is_read_back_as_it_was_written_down() -> None:
    declared = Column.model_validate({"type": "float", "from": "Temp [°C]", "decimal": ",", "nulls": ["-999"]})
    assert declared.from_ == ("Temp [°C]",)
    assert Column.model_validate(declared.model_dump(mode="json")) == declared
    assert Column.model_validate(declared.model_dump(mode="json", by_alias=True)) == declared
    assert declared.model_dump(by_alias=True, exclude_defaults=True)["from"] == ("Temp [°C]",)


@pytest.mark.parametrize(
    ("name", "expected"), [("UTF8", "utf-8"), ("windows-1252", "cp1252"), ("Shift_JIS", "shift_jis")]
)
def test_encoding_is_known_by_any_of_its_names(name: str, expected: str) -> None:
    assert check_encoding(name) == expected


@pytest.mark.parametrize("name", ["hex", "rot13", "base64", "zlib", "idna", "utf-7", "undefined", "nope", ""])
def test_encoding_that_makes_no_text_of_a_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no encoding of texts"):
        check_encoding(name)
