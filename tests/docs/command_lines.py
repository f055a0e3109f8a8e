"""The command lines that the pages for people give: what a reader can copy into a terminal, or send to Airflow.

A line is known by its page, its section and its text with the placeholders as they stand there (`<model>`, `"..."`).
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from typer.core import TyperGroup
from typer.main import get_command

from almanac.cli.app import app
from almanac.config.home import REPOSITORY

PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))

_SHELLS = ("sh", "bash")
# What begins a line that somebody is to run. In a block of shell every line is one.
_PROGRAMS = (
    "almanac",
    "./almanac",
    "make",
    "cp",
    "mkdir",
    "chmod",
    "rm",
    "export",
    "curl",
    "docker",
    "diff",
    "python",
    ".venv/bin/python",
    "du",
    "dmesg",
    "timedatectl",
    "airflow",
    "aws",
    "kubectl",
    "helm",
    "GET",
    "POST",
    "PATCH",
    "PUT",
    "DELETE",
)
REST = ("GET", "POST", "PATCH", "PUT", "DELETE")
_SETTING = re.compile(r"[A-Z_]+=\S*\Z")


@dataclass(frozen=True, order=True)
class CommandLine:
    """One line of one page."""

    page: str
    section: str
    text: str

    def __str__(self) -> str:
        return f"{self.page} / {self.section} / {self.text}"


def lines_of(page: Path) -> list[CommandLine]:
    """Every command line of a page, in its order, without those that a section repeats."""
    name = page.relative_to(REPOSITORY).as_posix() if page.is_relative_to(REPOSITORY) else page.name
    found = (CommandLine(name, section, text) for section, text in _texts(page.read_text("utf-8")))
    return list(dict.fromkeys(found))


def is_mention(text: str) -> bool:
    """Whether a line only names a command of Almanac: it leaves out what the command or its last option needs."""
    words = almanac_words(text)
    if words is None:
        return False
    at, words = _walk(words)
    if isinstance(at, TyperGroup) or words[:1] == ["..."]:
        return True
    if words and words[-1] in options_with_value(at):  # nothing stands behind it: `--reason`
        return True
    given, _, _ = at.make_parser(at.context_class(at)).parse_args(words)
    return any(
        param.required and not getattr(param, "prompt", None) and not given.get(param.name) for param in at.params
    )


def almanac_words(text: str) -> list[str] | None:
    """The arguments of a line that calls `almanac`; None: it calls something else."""
    words = shlex.split(text, comments=True)
    while words and _SETTING.match(words[0]):
        words.pop(0)
    return words[1:] if words and words[0].removeprefix("./") == "almanac" else None


@cache
def program() -> Any:
    """`almanac` with all its commands, made once: that takes a third of a second."""
    return get_command(app)


def options_with_value(command: Any) -> set[str]:
    """The options of a command that want an argument: `--reason`."""
    return {name for one in command.params if not getattr(one, "is_flag", True) for name in one.opts}


def command_of(text: str) -> str:
    """What a line calls: `quarantine readmit`, `make up`, `POST`; its arguments left out."""
    words = almanac_words(text)
    if words is not None:
        _, rest = _walk(words)
        return "almanac " + " ".join(words[: len(words) - len(rest)])
    words = text.split()
    return " ".join(words[: 2 if words[0] == "make" else 1])


def _walk(words: Sequence[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words behind it."""
    at, words = program(), list(words)
    while isinstance(at, TyperGroup) and words and words[0] in at.commands:
        at = at.commands[words.pop(0)]
    return at, words


def _texts(page: str) -> Iterator[tuple[str, str]]:
    section, heading = "", False
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "heading_open":
            heading = True
        elif token.type == "inline":
            if heading:
                section, heading = token.content.replace("`", ""), False
            yield from ((section, text) for text in _spans(token.children or ()))
        elif token.type == "fence":
            language = token.info.strip()
            if language in (*_SHELLS, ""):
                yield from ((section, text) for text in _shell_lines(token.content, every=language in _SHELLS))


def _spans(children: Sequence[Any]) -> Iterator[str]:
    """The commands among the spans of one paragraph; a request's body is the span behind `with`."""
    for at, child in enumerate(children):
        text = _command(child.content) if child.type == "code_inline" else ""
        if text and text.split()[0] in REST and "{" not in text:
            behind = [one for one in children[at + 1 : at + 5] if one.content.strip()]
            if len(behind) > 1 and behind[0].content.strip() == "with" and behind[1].content.startswith("{"):
                text += " " + " ".join(behind[1].content.split())
        if text:
            yield text


def _command(span: str) -> str:
    """The span as one line, when it is a command with anything behind its first word."""
    text = " ".join(span.split())
    words = text.split(" ")
    while words and _SETTING.match(words[0]):
        words.pop(0)
    if len(words) < 2 or words[0] not in _PROGRAMS or "→" in text:
        return ""
    return text


def _shell_lines(block: str, *, every: bool) -> Iterator[str]:
    """Lines of a block; one that ends with a backslash, or within quotes, goes on."""
    waiting = ""
    for line in block.splitlines():
        waiting += line.strip() if not waiting else " " + line.strip()
        if waiting.endswith("\\"):
            waiting = waiting[:-1].rstrip()
            continue
        text = _without_comment(waiting)
        if text is None:
            continue
        waiting = ""
        if text and (every or _command(text)):
            yield text


def _without_comment(line: str) -> str | None:
    """None: a quote is still open."""
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return None
    return re.sub(r"(^|\s+)#.*\Z", "", line) if not _HASH_IN_QUOTES.search(line) else line


_HASH_IN_QUOTES = re.compile(r"'[^']*#[^']*'|\"[^\"]*#[^\"]*\"")
