"""`windows`: the tumbling windows of a model, and the gaps."""

from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    from almanac.windows.overview import WindowRow


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(windows)


def windows(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    everything: Annotated[bool, typer.Option("--all", help="Show every window, not the newest 40.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show each window's state and the gaps; exit code 1 when a window is missing, failed or late."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.windows.closing import declared_window
    from almanac.windows.overview import overview

    home = Home()
    declared = find_model(home.models, model)
    rows = overview(declared_window(declared), Journal(home.journal_url).windows(model), now=datetime.now(UTC))
    if as_json:
        print_json([{**asdict(row), "is_to_do": row.is_to_do} for row in (rows if everything else rows[-40:])])
        raise typer.Exit(int(any(row.is_to_do for row in rows)))
    print_windows(model, rows if everything else rows[-40:], hidden=0 if everything else max(len(rows) - 40, 0))
    if any(row.is_to_do for row in rows):
        print_backfills(model, rows)
        raise typer.Exit(1)


def print_windows(model: str, rows: "list[WindowRow]", *, hidden: int) -> None:
    """Print one line for each window."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colors = {"done": "green", "gap": "red", "failed": "red", "late": "yellow", "empty": "dim"}
    table = Table("window", "state", "rows", "missing steps", "note", title=f"windows of {model}")
    for row in rows:
        state = Text(row.state, style=colors.get(row.state, ""))
        table.add_row(str(row.window), state, str(row.rows), str(row.missing_steps), Text(row.note))
    Console().print(table)
    if hidden:
        print(f"{hidden} older windows are not shown; --all shows them.")


def print_backfills(model: str, rows: "list[WindowRow]") -> None:
    """Print the backfills to start in Airflow, one for each range."""
    from almanac.windows.overview import to_do_ranges
    from almanac.windows.tumbling import key_of

    print(f"To run again (Airflow: DAG window_{model} > Trigger > Backfill, or POST /api/v2/backfills):")
    for first, last in to_do_ranges(rows):
        print(f"  from_date {key_of(first)}Z  to_date {key_of(last)}Z")
