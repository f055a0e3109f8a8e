"""Whatever makes a file no YAML is told with file, line, column and what was expected."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.config.files.loader import load_model, load_models
from almanac.config.files.yaml_file import parse_yaml
from almanac.config.home import MODELS_FOLDER
from almanac.errors import ConfigError

QUOTE = "expected a closing quote"
COLUMN = "expected a key in the same column as the others"
BRACKET = "expected a comma between two items of the list, and `]` at its end"
SPACES = "expected spaces instead of tabs for indentation"
BROKEN = {
    "two colons": (b"x: 1\na: b: c", 2, 5, "expected one `key: value` per line, a value with `: ` in it in quotes"),
    "indented deeper": (b"a: 1\n b: 2", 2, 3, "expected one `key: value` per line"),
    "words above a key": (b"a\nb: 1", 2, 2, "expected one `key: value` per line"),
    "open list": (b"a: [1, 2\nb: 3", 2, 2, f"a flow sequence that begins on line 1); {BRACKET}"),
    "open section": (b"a: {b: 1", 2, 1, "expected a comma between two keys of the section, and `}` at its end"),
    "open quote": (b"a: 1\nb: 'x", 2, 6, QUOTE),
    "open double quote": (b'a: "x\nb: 1', 2, 5, QUOTE),
    "quote over documents": (b"a: 'x\n---\ny'", 2, 1, QUOTE),
    "tab": (b"a:\n\t- x", 2, 1, "spaces for indentation, no tabs"),
    "tab below a value": (b"key: value\n\tother: v", 2, 1, SPACES),
    "at": (b"@a: 1", 1, 1, "quotes around a value that begins with @"),
    "key among items": (b"- a\nb: c", 2, 1, "expected each item of the list with `- ` in the same column"),
    "item among keys": (b"a: b\n- c", 2, 1, COLUMN),
    "item behind a key": (b"a: - b", 1, 4, "expected the first `- ` of a list on the line below its key"),
    "text behind a quote": (b"a: 'it''s' x", 1, 12, COLUMN),
    "bracket too many": (b"{a: 1}}", 1, 7, "remove a closing bracket"),
    "escape": (b'a: "\\q"', 1, 5, "expected single quotes, in which a backslash is literal"),
    "hexadecimal": (b'a: "\\xzz"', 1, 7, "expected hexadecimal digits"),
    "block": (b"a: >x\n", 1, 5, "expected the text of `>` or `|` on the next line"),
    "two documents": (b"a: 1\n---\nb: 2", 2, 1, "expected one document"),
    "version": (b"%YAML 3.0\n---\na: 1", 1, 1, "remove the line %YAML"),
    "directive": (b"%foo\n---\na: 1", 1, 5, "expected no line that begins with %"),
    "anchor": (b"a: &", 1, 5, "expected a name of letters and digits behind & or *"),
    "two anchors": (b"&a a: 1\n&a b: 2", 2, 1, "expected each anchor `&name` once"),
    "alias of nothing": (b"a: *x", 1, 4, "an alias of an incomplete or unknown anchor"),
    "merge of nothing": (b"a: <<", 1, 4, "expected a plain value"),
    "key twice": (b"a: 1\nb: 1\na: 2", 3, 1, "key given twice: 'a'; expected each key once"),
    "list as key": (b"? [a]\n: 1", 1, 3, "expected a word as the key"),
    "no content": (b"a: 1\n? [", 3, 1, "expected a value, or a closing bracket"),
    "control": (b"b: 1\na: \x00", 2, 4, "expected text without control characters"),
    "latin-1": (b"a: 1\nb: \xc3\xb6\xff\n", 2, 5, "got byte 0xff; expected a file saved as UTF-8"),
    "utf-16": (b"\xff\xfea", 1, 1, "expected a file saved as UTF-8"),
    "date": (b"a: 2026-13-45", 1, 4, "month must be in 1..12; expected a valid date, or quotes"),
    "day": (b"a: 2026-02-30", 1, 4, "expected a valid date, or quotes around a text that looks like one"),
    "hour": (b"a: 2026-01-01 25:00:00", 1, 4, "hour must be in 0..23; expected a valid time"),
    "long number": (b"b: 1\na: 1" + b"0" * 5000, 2, 4, "expected a number of fewer digits, or quotes around it"),
    "tag of python": (b"a: !!python/object:os.system x", 1, 4, "a tag, 'tag:yaml.org,2002:python/object:os.system'"),
    "tag of nobody": (b"a: !foo x", 1, 4, "expected a value without one"),
    "set": (b"a: !!set [1]", 1, 4, "expected a value without one"),
    "list called a section": (b"a: !!map [1]", 1, 4, "expected a value without one"),
    "word called a number": (b"a: !!int x", 1, 4, "expected a value of its tag's type, or no tag"),
    "word called a time": (b"a: !!timestamp x", 1, 4, "expected a value of its tag's type, or no tag"),
    "word called yes or no": (b"a: !!bool x", 1, 4, "expected a value of its tag's type, or no tag"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_text_that_is_no_yaml_is_reported_with_its_place_and_what_was_expected(case: str) -> None:
    raw, line, column, text = BROKEN[case]
    with pytest.raises(ConfigError) as refusal:
        parse_yaml(raw, "models/rain.yaml", "See the docs.")
    message = str(refusal.value)
    assert message.startswith("models/rain.yaml: ")
    assert f"line {line}, column {column}: " in message
    assert text in message
    assert message.endswith(". See the docs.")
    assert "\n" not in message
    assert len(message) < 1000


def test_file_that_is_no_yaml_takes_no_other_down(tmp_path: Path) -> None:
    for name in ("_defaults.yaml", "weather.yaml"):
        (tmp_path / name).write_bytes((MODELS_FOLDER / name).read_bytes())
    for number, (raw, _, _, _) in enumerate(BROKEN.values()):
        (tmp_path / f"broken_{number}.yaml").write_bytes(raw)

    loaded = load_models(tmp_path)
    assert [model.name for model in loaded.models] == ["weather"]
    assert len(loaded.problems) == len(BROKEN)


@settings(max_examples=40)
@given(at=st.integers(min_value=0), put=st.sampled_from("[]{}'\"\t:-&*!%@`|>#\n\x00,"), cut=st.integers(0, 3))
def test_declaration_with_a_slip_of_the_hand_is_read_or_refused_with_a_line(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: str, cut: int
) -> None:
    text = (MODELS_FOLDER / "weather.yaml").read_text("utf-8")
    at %= len(text)
    path = tmp_path_factory.getbasetemp() / "weather.yaml"
    path.write_text(f"{text[:at]}{put}{text[at + cut :]}", "utf-8")
    try:
        load_model(path)
    except ConfigError as error:
        for line in str(error).splitlines():
            assert "not YAML" not in line or ", column " in line
            assert len(line) < 1000
