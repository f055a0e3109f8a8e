"""`doctor`: what is wrong with this machine or this home."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(doctor)


def doctor() -> None:
    """Check machine, packages, storage, databases, tables, services, DAGs and YAML files; exit code 1 on a failure."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from almanac.config.home import Home
    from almanac.services.doctor import examine

    rows = examine(Home())
    table = Table("check", "state", "seen", "what to do")
    colors = {"ok": "green", "warn": "yellow", "fail": "red"}
    for row in rows:
        # Text, because what was seen may hold brackets, which rich would take for its own markup.
        table.add_row(Text(row.name), Text(row.state, style=colors[row.state]), Text(row.seen), Text(row.todo))
    Console().print(table)
    if any(row.state == "fail" for row in rows):
        raise typer.Exit(1)
