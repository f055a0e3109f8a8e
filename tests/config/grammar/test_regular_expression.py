"""A regular expression that is accepted is run by both engines, and means the same to both."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.config.grammar.regular_expression import check_regex

PIECES = [
    "a",
    "b",
    ".",
    r"\d",
    r"\w",
    r"\s",
    r"\.",
    r"\-",
    r"\[",
    r"\{",
    r"\/",
    r"\%",
    "[a-c]",
    "[^ab]",
    r"[\w.-]",
    "[]a]",
    "[[]",
    "[]",
    "[",
    "[^",
    "[a&&b]",
    "[a--b]",
    "(",
    ")",
    "(?:",
    "(?P<n>",
    "(?=",
    "(?!",
    "(?i)",
    "(?s)",
    "(?x)",
    "(?a)",
    "(?#",
    "(?i:",
    "|",
    "*",
    "+",
    "?",
    "{2}",
    "{1,2}",
    "{,3}",
    "{2000}",
    "{",
    "}",
    "++",
    "^",
    "$",
    r"\b",
    r"\B",
    r"\Z",
    r"\A",
    r"\1",
    r"\0",
    r"\x41",
    r"\u0041",
    r"\<",
    r"\ä",
    r"\_",
    "ä",
    " ",
    "#",
    "]",
    "\n",
    "\\",
]
TEXTS = ["", "a", "ab", "abc", "A", "1", "a.b", "a b", "ä", "aa", "-", "[", "{", "x41"]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_accepted_expression_is_read_alike_by_python_and_polars(pattern: str) -> None:
    try:
        check_regex(pattern)
    except ValueError as error:
        assert "got " in str(error)  # noqa: PT017 - which patterns are refused is the question
        return
    found = pl.Series(TEXTS).str.contains(f"^(?:{pattern})$").to_list()
    assert found == [re.fullmatch(pattern, text) is not None for text in TEXTS]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "not a regular expression: missing"),
        ("(?=a)b", "look-around are not supported"),
        (r"(a)\1", "back-references"),
        (r"a\Z", r"escapes such as \\Z"),
        ("[[]", "not a regular expression: Possible nested set"),
        (r"[]a[b]", "sets inside of sets"),
        (r"[a[:alpha:]]", "sets inside of sets"),
        ("a{2000}", "more than 1000 repetitions"),
        ("a{,3}", "braces without a count"),
        ("(?x)a b", "other flags than i, m and s"),
    ],
)
def test_expression_of_one_engine_alone_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_regex(pattern)


@pytest.mark.parametrize(
    "pattern", ["[A-Z]{3}[0-9]+", r"[\w.-]+@\w+\.\w{2,}", "", "a|b", "(?i)yes|no", "[^=]*", "(?:ab)+"]
)
def test_usual_expression_is_accepted(pattern: str) -> None:
    assert check_regex(pattern) == pattern
