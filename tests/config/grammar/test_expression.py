"""Conditions of rows: a small grammar, read by us, never run by Python."""

import polars as pl
import pytest

from almanac.config.grammar.expression import check_expression, compile_expression

TYPES = {"a": "float", "b": "integer", "kind": "string", "at": "timestamp", "Temp C": "float"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <= b + 15", [True, False, None]),
        ("a - b * 2 > -3", [True, True, None]),
        ("abs(a) == 1", [True, False, None]),
        ("kind in ['x', 'y']", [True, False, True]),
        ("kind not in ['x']", [False, True, False]),
        ("kind == 'x' or b > 1", [True, True, True]),
        ("not (b == 1 and kind == 'x')", [False, True, True]),
        ("b in [1, -3]", [True, False, True]),
        ("column('Temp C') / 2 >= 1", [False, True, True]),
    ],
)
def test_expression_gives_truth_per_row(text: str, expected: list[bool | None]) -> None:
    frame = pl.DataFrame({"a": [1.0, 20.0, None], "b": [1, 2, -3], "kind": ["x", "z", "x"], "Temp C": [1.0, 2.0, 3.0]})
    check_expression(text, TYPES, where="rules.r")
    assert frame.select(compile_expression(text).alias("r"))["r"].to_list() == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a <= c", "no column 'c'"),
        ("a", "not a condition"),
        ("a + 1", "not a condition"),
        ("a < 'x'", "is a string"),
        ("__import__('os').system('x') == 1", "not in the grammar"),
        ("a.real > 1", "not in the grammar"),
        ("(lambda: 1)() == 1", "not in the grammar"),
        ("a ** 9 > 1", "not in the grammar"),
        ("1 < a < 2", "not in the"),
        ("a > True", "not in the grammar"),
        ("a > None", "not in the grammar"),
        ("[x for x in a]", "not in the grammar"),
        ("kind in 'xy'", "not a list"),
        ("kind in [a]", "not a number or a text"),
        ("a <", "cannot be read"),
        ("column(a) > 1", "names no column"),
        ("at > 5", "is a number, not a timestamp"),
        ("a and b", "not a truth"),
        ("a > " + "1+" * 400 + "1", "too long"),
        ("kind + 1 == 2", "is a string"),
        ("(a < 1) == (b < 1)", "conditions"),
    ],
)
def test_expression_outside_the_grammar_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=rf"^rules\.r: .*{said}"):
        check_expression(text, TYPES, where="rules.r")
