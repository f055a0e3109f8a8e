"""`journal upgrade`: brings the journal's tables to this release. `journal rebuild`: makes rows again after a loss."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from almanac.backup.restore.journal_rebuild import RebuiltRows

commands = typer.Typer(help="The journal: upgrade its tables; rebuild its rows after a loss.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="journal", rich_help_panel="Backups")


@commands.command()
def upgrade(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 when an upgrade is needed.")
    ] = False,
    without_backup: Annotated[
        bool, typer.Option("--without-backup", help="Take no snapshots first. Have a dump of your own.")
    ] = False,
) -> None:
    """Upgrade the journal's tables to this release; harmless when they are current. `almanac up` does the same.

    Snapshots of all databases that exist are taken first, into the first backup repository. Nothing is changed when
    they cannot be taken, or when a newer release has upgraded the journal.
    """
    from almanac.backup.installation import databases, exists
    from almanac.backup.tasks.before_upgrade import upgrade_with_backup
    from almanac.config.home import Home
    from almanac.journal.schema import HEAD, describe
    from almanac.journal.upgrade import find_upgrade

    home = Home()
    if check and not exists(databases(home)["journal"]):
        print(f"{home.journal_url}: no journal yet; it is created on first use with revision {HEAD}")
        return
    if not check:
        upgrade_with_backup(home, print, without_backup=without_backup)
    done = find_upgrade(home.journal_url)
    if done.changed:
        print(f"{done.place}: {describe(done.before)}; `almanac journal upgrade` brings it to revision {done.after}")
        raise typer.Exit(1)
    print(f"{done.place}: revision {done.after}, current")


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


def _print(parts: "Iterable[RebuiltRows]") -> list[str]:
    """Print each part as it comes, and return what could not be read."""
    problems = []
    for one in parts:
        if one.problem:
            problems.append(f"{one.subject}: {one.problem}")
        else:
            print(f"{one.subject}: {one.added} added, {one.known} already there")
    return problems
