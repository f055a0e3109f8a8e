"""`accept`, `repair`: what to do when a table or a file has lost something."""

from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.backups.backup import PANEL, Second

if TYPE_CHECKING:
    from almanac.backup.restore.repair import RepairedSubject


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (accept, repair):
        app.command(rich_help_panel=PANEL)(command)


def accept(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="dataset/weather; quarantine, predictions, shadow.")],
    reason: Annotated[str, typer.Option("--reason", help="Why. Recorded in the journal with your name.")],
    start_empty: Annotated[bool, typer.Option("--start-empty", help="Also when the table no longer exists.")] = False,
    former_name: Annotated[bool, typer.Option("--begin-anew", hidden=True)] = False,  # refused from 0.4 on
) -> None:
    """Accept a table as it is, although commits are lost; writers continue from there.

    What the journal says of batches that are not in it is forgotten: files that are still in the landing area are
    ingested again. First try `almanac repair`, which loses nothing.
    """
    from datetime import UTC, datetime

    from almanac.cli.backups.places import run_of
    from almanac.config.home import Home
    from almanac.data.table.loss import accept as accept_table
    from almanac.journal.journal import Journal

    home, run = Home(), run_of("accept")
    journal, now = Journal(home.journal_url), datetime.now(UTC)
    done = accept_table(home, table, journal, reason=reason, run=run, now=now, start_empty=start_empty or former_name)
    print("\n".join(done))


def repair(
    subjects: Annotated[
        list[str], typer.Argument(metavar="SUBJECT...", help="A model, or dataset/weather, outputs/..., model/....")
    ],
    second: Second = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is damaged.")] = False,
    reason: Annotated[str, typer.Option(help="Why. Recorded in the journal.")] = "by hand",
) -> None:
    """Put damaged or missing files back from the newest snapshots that have them, byte for byte.

    Whole files are left alone. Exit code 1 when something is damaged that no snapshot has.
    """
    from datetime import UTC, datetime

    from almanac.backup.restore.repair import record_repair, repair_subjects
    from almanac.cli.backups.places import open_reader, record_in_journal, run_of
    from almanac.config.home import Home

    home, now = Home(), datetime.now(UTC)
    done = repair_subjects(home, open_reader(second), subjects, dry_run=dry_run)
    for one in done:
        _print(one, dry_run)
    if not dry_run:
        record_in_journal(
            home, lambda journal: record_repair(journal, done, run=run_of("repair"), reason=reason, now=now)
        )
    if any(one.left for one in done):
        raise typer.Exit(1)


def _print(one: "RepairedSubject", dry_run: bool) -> None:
    print("".join(f"{'damaged' if dry_run else 'repaired'}  {line}\n" for line in one.repaired), end="")
    print("".join(f"LEFT      {line}\n" for line in one.left), end="")
    print(f"{one.subject}: {one.files} files compared, {len(one.repaired)} damaged, {len(one.left)} in no snapshot")
