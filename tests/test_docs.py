"""What the pages for people name: commands with options that exist, and links that lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup

from almanac.config.home import REPOSITORY
from tests.docs.command_lines import program

_PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
# In `a span` or on a line of a fenced block, perhaps behind the setting of a variable.
_COMMAND = re.compile(r"(?:`|^(?:[A-Z_]+=\S+ )?)(?:\./)?almanac ([a-z][^`\n]*)", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

by_page = pytest.mark.parametrize("page", _PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))


def _faults_of(command: str) -> list[str]:
    words = shlex.split(command, comments=True)
    at = program()
    while isinstance(at, TyperGroup) and words and not words[0].startswith("-"):
        known = at.commands
        if words[0] not in known:
            return [f"`almanac {command}`: no command {words[0]!r}, there are {sorted(known)}"]
        at = known[words.pop(0)]
    options = {name for parameter in at.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return [f"`almanac {command}`: no option {word}" for word in words if word.startswith("--") and word not in options]


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them: small letters, no punctuation, a hyphen for each space."""
    headings = _HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@by_page
def test_commands_of_a_page_exist(page: Path) -> None:
    named = _COMMAND.findall(page.read_text("utf-8"))
    assert [fault for command in named for fault in _faults_of(command)] == []


@by_page
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    dead = []
    for link in _LINK.findall(page.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            dead.append(link)
    assert dead == []


def test_commands_are_found_and_judged() -> None:
    page = "see `./almanac windows bikes`\n\nALMANAC_MODELS=x ./almanac up --boldly  # no\n`almanac alerts akc 3`\n"
    found = _COMMAND.findall(page)
    assert len(found) == 3
    assert [len(_faults_of(command)) for command in found] == [0, 1, 1]


def test_index_of_decisions_names_each_with_its_title() -> None:
    folder = REPOSITORY / "docs/adr"
    headings = [path.read_text("utf-8").splitlines()[0] for path in sorted(folder.glob("[0-9]*.md"))]
    numbered = [heading.removeprefix("# ").split(". ", 1) for heading in headings]
    rows = re.findall(r"^\| (\d+) \| \[(.+)\]\(", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    assert rows == [tuple(pair) for pair in numbered]
