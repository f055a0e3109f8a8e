"""One word for one thing: the private words of earlier releases do not come back into what people read.

Pages, templates, and the strings, docstrings and comments of the code are read. Names of code are not: YAML keys,
commands and stored names keep their words.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from almanac.config.home import REPOSITORY

# What is written -> what to write instead.
WORDS = {
    r"foretell\w*|foretold": "predict, predicted",
    r"learnt": "trained on (rows)",
    r"bells?|rings?|unrung|rung": "asset event, emit, unannounced",
    r"strikes?": "schedule tick",
    r"wakes?|woken|waking": "trigger, start",
    r"unheard": "unreported",
    r"vanish\w*": "missing",
    r"thaw\w*|hottest": "restore from the archive; hot, cool, archive",
    r"(?:backup|first|second) places?": "backup repository, primary, secondary repository",
    r"naive rules?": "baselines",
    r"heed\w*": "respect, support",
    r"mend\w*": "correct, repair, fix",
    r"anew": "again, from scratch",
    r"whoever": "who, the user that",
    r"bury|buried|exhume\w*|sick|deeds?": "plain technical English",
    r"l(?:ay|ays|aid) down|lets go": "write, release",
    r"nobody knows|nobody can say": "is unknown, cannot be checked",
    r"new hours": "new windows, new rows",
}
_FORBIDDEN = {re.compile(rf"\b(?:{words})\b", re.IGNORECASE): better for words, better in WORDS.items()}

_CODE = re.compile(r"```.*?```|``.+?``|`[^`]*`|<[^>]+>|\]\([^)]*\)", re.DOTALL)
# Also the name of an argument before its description in a docstring.
_OPTION = re.compile(r"`[^`]*`|--[a-z-]+|^ +[a-z_, ]+: ", re.MULTILINE)
_TEMPLATE_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<[^>]+>", re.DOTALL)


def _blank(text: str) -> str:
    """As many lines as before, without a word."""
    return "\n" * text.count("\n")


def sentences_of_page(text: str) -> Iterator[tuple[int, str]]:
    """Line number and prose of each line of a Markdown page."""
    yield from enumerate(_CODE.sub(lambda found: _blank(found[0]), text).splitlines(), 1)


def sentences_of_template(text: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each line of a template; a text within a Jinja expression is one, too."""
    for found in _TEMPLATE_CODE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield from ((line, message) for message in re.findall(r'"([^"]* [^"]*)"', found[0]))
    yield from enumerate(_TEMPLATE_CODE.sub(lambda found: _blank(found[0]), text).splitlines(), 1)


def sentences_of_code(text: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each docstring, comment, and string of two words or more; without fields and options."""
    tree = ast.parse(text)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            words = " ".join(one.value for one in node.values if isinstance(one, ast.Constant))
            yield node.lineno, _OPTION.sub("", words)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield from enumerate(
                _OPTION.sub("", node.value).splitlines() if " " in node.value.strip() else (), node.lineno
            )
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _OPTION.sub("", token.string)


def _found(sentences: Iterator[tuple[int, str]]) -> list[str]:
    return [
        f"line {line}: {match[0]!r}: write {better}; got {text.strip()[:100]!r}"
        for line, text in sentences
        for word, better in _FORBIDDEN.items()
        if (match := word.search(text))
    ]


def _read(path: Path) -> list[str]:
    reader = {".md": sentences_of_page, ".j2": sentences_of_template, ".py": sentences_of_code}[path.suffix]
    return _found(reader(path.read_text("utf-8")))


def _files() -> list[Path]:
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    code = [path for folder in ("include", "plugins", "dags") for path in (REPOSITORY / folder).rglob("*.py")]
    return sorted([*pages, *(REPOSITORY / "include").rglob("*.j2"), *code])


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_sentences_use_the_words_of_the_field() -> None:
    found = {_name(path): _read(path) for path in _files()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_words_are_found_in_pages_templates_and_code() -> None:
    page = "Whoever lands\n```\nanew\n```\n`--begin-anew` is code, learnt is not\n"
    assert [line for line, text in sentences_of_page(page) if _found(iter([(line, text)]))] == [1, 5]
    template = '<p class="anew">{{ teller.anew }}</p>\n{{ "a bell rings" }}\nforetold {% if mend %}x{% endif %}\n'
    assert sorted(int(one.split()[1].rstrip(":")) for one in _found(sentences_of_template(template))) == [2, 3]
    code = (
        '"""Docstring\n\nto mend."""\nx = f"built {x} anew"\ny = "anew"\nz = {"anew": "run `--begin-anew`"}  # learnt\n'
        'def f(bell):\n    """Do.\n\n    Args:\n        bell: it rings.\n    """\n'
    )
    assert sorted({int(one.split()[1].rstrip(":")) for one in _found(sentences_of_code(code))}) == [3, 4, 6, 11]
