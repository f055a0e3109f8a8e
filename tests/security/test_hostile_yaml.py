"""A declaration that is a bomb is refused at once, by name, and takes no other model down."""

import shutil
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.config.files.loader import load_models
from almanac.config.files.yaml_file import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_SCALAR, parse_yaml
from almanac.config.home import MODELS_FOLDER
from almanac.errors import ConfigError
from almanac.json_text import parse_json

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
BOMBS = {
    "aliases": (LAUGHS, r"line \d+, column \d+: too much; expected at most"),
    "merges": (MERGES, r"line \d+, column \d+: too much; expected at most"),
    "brackets": ("[" * 200_000, r"line 1, column \d+: nested too deeply"),
    "sections": ("".join(f"{' ' * n}a:\n" for n in range(1000)), "line 33, column 33: nested too deeply"),
    "recursion": ("a: &a\n  b: *a", "line 2, column 6: an alias of an incomplete or unknown anchor"),
    "many keys": ("\n".join(f"k{n}: v" for n in range(MAX_NODES)), "too much"),
    "long value": (f"a: {'x' * (MAX_SCALAR + 1)}", "line 1, column 4: a value is too long"),
    "large": (f"a: 1\n#{'x' * MAX_BYTES}", "too large; got more than"),
    "long number": (f"a: {'9' * 10_000}", "not YAML"),
    "sexagesimal": (f"a: 1{':59' * 6_000}", "."),
    "date": ("a: 2026-13-45", r"not YAML: line 1, column 4: .*month must be in 1\.\.12"),
    "list as key": ("{[a, b]: c}", "a list or a section as a key"),
    "section as key": ("{{a: b}: c}", "a list or a section as a key"),
    "object": ("a: !!python/object/apply:os.system [id]", "line 1, column 4: not YAML: a tag"),
    "control": ("a: \x00", "not YAML"),
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("_defaults.yaml", "weather.yaml"):
        shutil.copy(MODELS_FOLDER / name, folder / name)
    return folder


@pytest.mark.parametrize("name", BOMBS)
def test_load_models_refuses_a_bomb_by_name_and_reads_the_others(models: Path, name: str) -> None:
    content, text = BOMBS[name]
    (models / "bomb.yaml").write_text(content)
    started = time.process_time()
    loaded = load_models(models)
    assert [model.name for model in loaded.models] == ["weather"]
    assert len(loaded.problems) == 1
    assert "bomb.yaml" in loaded.problems[0]
    with pytest.raises(ConfigError, match=text):
        raise ConfigError(loaded.problems[0])
    assert len(loaded.problems[0]) < 5_000
    assert time.process_time() - started < 30  # CPU of this process; it was more than 40 s, or a crash


@pytest.mark.parametrize("name", ["_defaults.yaml", "_installation.yaml", "_profile.yaml"])
def test_load_models_with_a_bomb_for_all_says_so(models: Path, name: str) -> None:
    (models / name).write_text(LAUGHS)
    problems = load_models(models).problems
    if name == "_installation.yaml":
        assert problems == ()  # it is no model's; who reads it is told
        return
    assert name in problems[0]


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"a: \x80"])
def test_parse_yaml_of_bytes_that_are_no_text_is_refused(raw: bytes) -> None:
    with pytest.raises(ConfigError, match="here: not YAML"):
        parse_yaml(raw, "here")


def test_parse_yaml_error_does_not_print_the_input_whole() -> None:
    key = "k" * 15_000
    with pytest.raises(ConfigError, match="key given twice") as raised:
        parse_yaml(f"? {key}\n: 1\n? {key}\n: 2\n".encode(), "here")
    assert len(str(raised.value)) < 500


def test_parse_yaml_allows_what_people_write() -> None:
    text = "a: &a {x: 1}\nb: *a\nd: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert parse_yaml(text.encode(), "here")["b"] == {"x": 1}


@settings(deadline=None)
@given(st.text(st.sampled_from("ab:&*[]{}-<>|!%@? \n'\"#0159.,"), max_size=200) | st.binary(max_size=100))
def test_parse_yaml_of_anything_gives_a_value_or_a_config_error(text: str | bytes) -> None:
    try:
        value = parse_yaml(text if isinstance(text, bytes) else text.encode(), "here")
    except ConfigError as error:
        value = error
    assert value is None or isinstance(value, dict | list | str | int | float | date | ConfigError)


def test_parse_json_of_brackets_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 200_000)
