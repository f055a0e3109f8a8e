"""What data say is never markup of ours."""

import pytest

from almanac.reporting.markdown import inline, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<b>", r"\<b>"),
        ("`x`", r"\`x\`"),
        ("[Approve](http://elsewhere)", r"\[Approve](http://elsewhere)"),
        (r"\|", r"\\\|"),
        ("two\nlines\t and  more", "two lines and more"),
        ("**bold**", r"\*\*bold\*\*"),
        ("ä (ö) 50 %", "ä (ö) 50 %"),
    ],
)
def test_inline_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert inline(text) == shown


def test_inline_long_text_is_cut() -> None:
    assert inline("x" * 500) == "x" * 299 + "…"
    assert inline("|" * 20, limit=5) == r"\|\|\|\|…"


def test_table_cells_cannot_add_columns() -> None:
    assert table(["", "a|b"], [["1", "c"]]) == "|  | a\\|b |\n| --- | --- |\n| 1 | c |"
