"""Great Expectations' page of a batch, made from the result that was kept."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from almanac.config.sections.dataset import Column
from almanac.errors import DataError
from almanac.validation.data_docs import render_apart, render_data_docs
from almanac.validation.expectations import Suite
from almanac.validation.rules import compile_rules
from tests.data.installation import tiny_dataset


@pytest.fixture
def document() -> bytes:
    """What Great Expectations says of a text that would be markup, as it is kept."""
    columns = {"Time": Column(type="timestamp"), "kind": Column(type="string", values=("a",))}
    rules = [rule for rule in compile_rules(tiny_dataset(columns=columns)) if rule.column == "kind"]
    frame = pl.DataFrame({"kind": ["a", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>"]})
    verdict = Suite("tides", rules, now=datetime(2026, 1, 1, tzinfo=UTC)).validate(frame)
    return json.dumps(verdict.document, default=str).encode()


def test_render_data_docs_makes_a_page_that_needs_nothing_from_elsewhere(document: bytes) -> None:
    page = render_data_docs(json.loads(document))
    assert "values must belong to this set" in page
    assert "<script" not in page
    assert "<img" not in page
    assert "<link" not in page
    assert "https://" not in page.split("</head>")[1]
    assert "default-src 'none'" in page


@pytest.mark.slow  # Great Expectations is imported once more
def test_render_apart_makes_such_a_page(document: bytes) -> None:
    page = render_apart(document).decode()
    assert "values must belong to this set" in page
    assert "<script" not in page


@pytest.mark.parametrize("other", [b"{}", b"no json"])
def test_render_apart_of_something_else_says_so(other: bytes) -> None:
    with pytest.raises(DataError, match="Data Docs: could not be rendered: "):
        render_apart(other)
