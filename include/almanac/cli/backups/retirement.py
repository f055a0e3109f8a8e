"""`retire`: ends the protection of a model whose declaration is gone."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(retire)


def retire(
    model: Annotated[str, typer.Argument(help="The name of a model that is no longer declared.")],
    reason: Annotated[str, typer.Option("--reason", help="Why. Recorded in the journal with your name.")],
    undo: Annotated[bool, typer.Option("--undo", help="Protect it again.")] = False,
) -> None:
    """Stop backing up a model and keeping its snapshots. Its YAML must be gone; nothing is deleted at once.

    What is there stays on disk and in MLflow; its snapshots go as the policy says. A YAML that comes back protects it,
    too.
    """
    from datetime import UTC, datetime

    from almanac.backup.retention.protected import retire as end_protection
    from almanac.backup.retention.protected import take_back
    from almanac.cli.backups.places import run_of
    from almanac.config.home import Home
    from almanac.journal.journal import Journal

    if len(reason.strip()) < 3:
        raise typer.BadParameter("--reason: say why, in at least three characters")
    home, run, now = Home(), run_of("retire"), datetime.now(UTC)
    journal = Journal(home.journal_url)
    if undo:
        take_back(journal, model, reason=reason.strip(), run=run, now=now)
        print(f"{model}: is protected again: the nightly backup includes it, and its snapshots stay pinned.")
        return
    end_protection(home, journal, model, reason=reason.strip(), run=run, now=now)
    print(
        f"{model}: is retired. No backup includes it any more, and the policy applies to its snapshots. To undo that:"
        f" ./almanac retire {model} --undo --reason ..."
    )
