"""Measured figures say where they come from: each table of them is followed by a line with command, date and commit.

    Measured: `python -m bench.score`, 2026-11-28, commit `1465172`, what else the machine did.

The commit is the one that wrote the figures down. Prose around it may say more.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from almanac.config.home import REPOSITORY
from tests.docs.command_lines import PAGES

_NUMBER = re.compile(r"[\d.,]+( ?(ms|µs|s|MB|MiB|GB|%|min|h))?( \([\d.,]+\))?( to [\d.,]+.*)?")
_SOURCE = re.compile(r"Measured: .*`[^`]+`.*, (20\d\d-\d\d-\d\d), commit `([0-9a-f]{7,40})`")
# Tables of settings hold numbers, too; where at least a third of the cells are figures, somebody has measured them.
_SHARE, _LEAST = 1 / 3, 5


@dataclass(frozen=True)
class Table:
    """A table of a page: its heading cells, the share and number of its cells that are figures, what follows it."""

    page: str
    head: str
    share: float
    figures: int
    behind: str

    @property
    def is_measured(self) -> bool:
        return self.share >= _SHARE and self.figures >= _LEAST


def tables_of(page: Path) -> Iterator[Table]:
    cells: list[str] = []
    head: list[str] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))
    for at, token in enumerate(tokens):
        if token.type == "table_open":
            cells, head = [], []
        elif token.type == "inline" and tokens[at - 1].type in ("th_open", "td_open"):
            (head if tokens[at - 1].type == "th_open" else cells).append(token.content.strip())
        elif token.type == "table_close":
            filled = [cell for cell in cells if cell]
            figures = sum(_NUMBER.fullmatch(cell) is not None for cell in filled)
            behind = tokens[at + 2].content if at + 2 < len(tokens) and tokens[at + 1].type == "paragraph_open" else ""
            share = figures / max(len(filled), 1)
            yield Table(page.name, " | ".join(head), share, figures, " ".join(behind.split()))


MEASURED = [table for page in PAGES for table in tables_of(page) if table.is_measured]


def test_measured_tables_are_found() -> None:
    assert {table.page for table in MEASURED} >= {"monitoring.md", "operations.md", "backup-format.md", "production.md"}


@pytest.mark.parametrize("table", MEASURED, ids=lambda table: f"{table.page}: {table.head[:40]}")
def test_measured_table_says_command_date_and_commit(table: Table) -> None:
    assert _SOURCE.match(table.behind), f"behind the table of {table.head!r}: {table.behind[:200]!r}"


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="an export knows no commits")
def test_measured_commits_exist() -> None:
    named = {found[2] for table in MEASURED if (found := _SOURCE.match(table.behind))}
    known = ["git", "-C", str(REPOSITORY), "rev-parse", "--verify", "--quiet"]
    gone = [one for one in named if subprocess.run([*known, f"{one}^{{commit}}"], capture_output=True).returncode]
    assert gone == []


def test_measured_table_without_a_source_is_noticed(tmp_path: Path) -> None:
    rows = "| way | s | MB |\n|---|---|---|\n| a | 0.5 | 12 |\n| b | 1.5 | 13 |\n| c | 1,5 (2) | 14 |\n"
    page = tmp_path / "page.md"
    page.write_text(
        f"{rows}\nIt is fast.\n\n{rows}\nMeasured: `make x`, 2026-11-29, commit `1465172`, alone.\n", "utf-8"
    )
    without, with_source = tables_of(page)
    assert without.is_measured
    assert not _SOURCE.match(without.behind)
    assert _SOURCE.match(with_source.behind)


def test_table_of_settings_is_not_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| setting | here | why |\n|---|---|---|\n| a | 30 s | it waits |\n| b | 5 | few |\n", "utf-8")
    assert not next(tables_of(page)).is_measured
