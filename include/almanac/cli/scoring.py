"""`scoring`: stop the scoring of a model, resume it, or say its state."""

from typing import Annotated

import typer

from almanac.cli.terminal import AsJson, print_json

commands = typer.Typer(help="Stop or resume the scoring of a model, or show its state.", no_args_is_help=True)
_MODEL = Annotated[str, typer.Argument(help="The model's name.")]
_REASON = Annotated[str, typer.Option("--reason", help="Why. Recorded in the journal with your name.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="scoring")


@commands.command()
def status(model: _MODEL, as_json: AsJson = False) -> None:
    """Show whether scoring is on; exit code 1 when it is stopped."""
    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.scoring.pause import stopped, why_stopped

    home = Home()
    decision = stopped(Journal(home.journal_url), find_model(home.models, model).name)
    if as_json:
        print_json({"model": model, "on": decision is None, "stopped": decision})
    else:
        print(f"{model}: {why_stopped(decision)}" if decision else f"{model}: scoring is on")
    if decision:
        raise typer.Exit(1)


@commands.command()
def stop(model: _MODEL, reason: _REASON) -> None:
    """Stop scoring until it is resumed."""
    _move(model, reason, on=False)


@commands.command()
def resume(model: _MODEL, reason: _REASON) -> None:
    """Resume scoring."""
    _move(model, reason, on=True)


def _move(model: str, reason: str, *, on: bool) -> None:
    import getpass
    from datetime import UTC, datetime

    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.journal.records import RunRef
    from almanac.scoring.pause import resume_scoring, stop_scoring

    home, now = Home(), datetime.now(UTC)
    journal, name = Journal(home.journal_url), find_model(home.models, model).name
    run = RunRef("almanac", f"scoring {'resume' if on else 'stop'}", started_by=getpass.getuser(), trigger="command")
    moved = (resume_scoring if on else stop_scoring)(journal, name, reason=reason, run=run, now=now)
    words = "resumed" if on else "stopped"
    print(f"{name}: scoring {words}" if moved else f"{name}: nothing to do, scoring was already {words}")
