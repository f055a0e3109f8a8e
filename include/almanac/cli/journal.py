"""`journal rebuild`: makes the journal's rows again after its loss."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from almanac.backup.restore.journal_rebuild import Rebuilt

commands = typer.Typer(help="The journal: rebuild its rows after a loss.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="journal", rich_help_panel="Backups")


@commands.command()
def rebuild() -> None:
    """Add rows that the journal lacks, from Delta commits, MLflow's tags and the backup repositories.

    Rows that are there stay as they are, so it may be run again. Restore a snapshot of the journal first, if there is
    one: decisions, questions, approvals and alerts are in no other store. Exit code 1 when a store could not be read.
    """
    from almanac.backup.restore.journal_rebuild import rebuild_journal
    from almanac.cli.backups.places import open_installation, run_of
    from almanac.config.files.loader import load_models
    from almanac.journal.journal import Journal
    from almanac.registry.store import Registry

    home, _, places = open_installation(write=False)
    loaded, journal, run = load_models(home.models), Journal(home.journal_url), run_of("journal rebuild")
    parts = rebuild_journal(home, loaded.models, Registry.of(home), places.all(), journal, run)
    problems = [*loaded.problems, *_print(parts)]
    print("".join(f"PROBLEM  {one}\n" for one in problems), end="")
    print(
        "Not rebuilt, because only the journal has them: decisions, questions, approvals, alerts, windows, marks of"
        " sources"
    )
    if problems:
        raise typer.Exit(1)


def _print(parts: "Iterable[Rebuilt]") -> list[str]:
    """Print each part as it comes, and return what could not be read."""
    problems = []
    for one in parts:
        if one.problem:
            problems.append(f"{one.subject}: {one.problem}")
        else:
            print(f"{one.subject}: {one.added} added, {one.known} already there")
    return problems
