"""`doctor`: what is wrong with this machine or this home."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from almanac.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    from almanac.services.doctor import Check


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Check machine, packages, storage, databases, tables, services, DAGs and YAML files; exit code 1 on a failure."""
    from almanac.config.home import Home
    from almanac.services.doctor import examine

    rows = examine(Home())
    if as_json:
        print_json(rows)
    else:
        _print_table(rows)
    if any(row.state == "fail" for row in rows):
        raise typer.Exit(1)


def _print_table(rows: "Sequence[Check]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "state", "seen", "what to do")
    colors = {"ok": "green", "warn": "yellow", "fail": "red"}
    for row in rows:
        # Text, because what was seen may hold brackets, which rich would take for its own markup.
        table.add_row(Text(row.name), Text(row.state, style=colors[row.state]), Text(row.seen), Text(row.todo))
    Console().print(table)
