"""The command lines that the product itself prints: in errors, alerts, reports, pages and forms.

They are read from the source: texts of Python files with a `{}` in the place of each value, and templates.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from typer.core import TyperGroup

from almanac.config.home import REPOSITORY
from tests.docs.command_lines import almanac_words, command_of, options_with_value, program

FOLDERS = ("include", "plugins", "dags")
_TEMPLATES = ("*.j2", "*.html")
_CALL = re.compile(r"(?:(?<=`)|(?<=[\s:>(])|^)(?:\./)?almanac (?=[a-z])([^`<\n;]*)")
# A call that no backtick ends runs to the end of its sentence.
_END = re.compile(r"[.,:)](?:\s|$)|\s{2,}|\s#|, |\s(?:deletes|asks|does|shows|by hand|puts|if|again|before|says)\b")
_VALUE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")


@dataclass(frozen=True, order=True)
class PrintedLine:
    """One line that a file prints."""

    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"

    @property
    def shape(self) -> str:
        """Command, number of arguments with what is fixed of them, and options: what makes it work or not."""
        return shape_of(self.text)


@cache
def printed_lines() -> list[PrintedLine]:
    """All of them."""
    found: set[PrintedLine] = set()
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            found |= {PrintedLine(_name(path), call) for text in _texts(path) for call in calls_in(text)}
        for pattern in _TEMPLATES:
            for path in sorted((REPOSITORY / folder).rglob(pattern)):
                content = _VALUE.sub("{}", path.read_text("utf-8")).replace("&lt;", "{").replace("&gt;", "}")
                found |= {PrintedLine(_name(path), call) for call in calls_in(content)}
    return sorted(found)


def calls_in(text: str) -> list[str]:
    """Calls of `almanac` in a text, without what follows them in its sentence."""
    calls = []
    for match in _CALL.finditer(text):
        quoted = match.start() > 0 and text[match.start() - 1] == "`"
        call = match[1] if quoted else _END.split(match[1], maxsplit=1)[0]
        call = call.strip().rstrip(".,:")
        call = call if call.count("'") % 2 == 0 else call.replace("'", "")
        if call.split()[0] in _commands():
            calls.append(f"./almanac {call}")
    return calls


def shape_of(text: str) -> str:
    """See `PrintedLine.shape`; placeholders of pages (`<model>`, SNAPSHOT) and of code (`{}`) are the same."""
    plain = re.sub(r"<[^>]*>|\{[^}]*\}|'[^']*'|\"[^\"]*\"|\b(?!ALMANAC)[A-Z]{4,}\b", "{}", text)
    words = almanac_words(re.sub(r"['\"]", "", plain)) or []
    at, path = program(), []
    while isinstance(at, TyperGroup) and words and words[0] in at.commands:
        path.append(words[0])
        at = at.commands[words.pop(0)]
    takes_value = options_with_value(at)
    options, arguments = [], []
    while words:
        word = words.pop(0)
        if word.startswith("-"):
            options.append(word)
            if word in takes_value and words:
                words.pop(0)
        else:
            arguments.append(_kind(word))
    return " ".join([*path, *arguments, *sorted(set(options))])


def _kind(argument: str) -> str:
    """`database/x@y` and `database/{}` are one kind, another than `dataset/x`; a plain value is any."""
    kind, slash, _ = argument.partition("/")
    return f"{kind}/" if slash and kind.isalpha() else "VALUE"


def _commands() -> set[str]:
    return set(program().commands)


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def _texts(path: Path) -> Iterator[str]:
    """Every text of a file, the pieces of an f-string joined; docstrings too: commands and DAGs show theirs."""
    tree = ast.parse(path.read_text("utf-8"))
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
            yield node.value


__all__ = ["PrintedLine", "calls_in", "command_of", "printed_lines", "shape_of"]
