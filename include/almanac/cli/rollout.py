"""`rollout`: where a rollout stands, and what a person asks of it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from almanac.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    from almanac.journal.records import RolloutTransition

commands = typer.Typer(
    help="Shares of requests for a new version: show, pause, resume, advance, set-back, abort.", no_args_is_help=True
)
_Model = Annotated[str, typer.Argument(help="The model's name.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why. Recorded in the journal with your name.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="rollout")


@commands.command("show")
def show(
    model: _Model,
    as_json: AsJson = False,
) -> None:
    """Show the transitions of the newest rollout, the newest last, and the figures of the last one."""
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.journal.rollouts import Rollouts

    rollouts = Rollouts(Journal(Home().journal_url))
    last = rollouts.newest(model)
    found = [] if last is None else rollouts.all(model, ordinal=last.ordinal)[::-1]
    if as_json:
        print_json([_row(one) for one in found])
        return
    for one in found:
        who = one.run.started_by or one.run.dag_id
        step = f"{one.state:12} step {one.step} {one.share:6.1%}"
        print(f"{one.changed_at:%Y-%m-%d %H:%M:%S} UTC {step}  {who}: {one.reason}")
    if last is None:
        print(f"{model}: there was no rollout yet")
        return
    for name, value in sorted(last.figures.items()):
        print(f"  {name:28} {value:.4g}")


@commands.command("pause")
def pause(model: _Model, reason: _Reason) -> None:
    """Go no further; the share stays, and guards still fall back."""
    _move(model, "pause", reason)


@commands.command("resume")
def resume(model: _Model, reason: _Reason) -> None:
    """Go on after a pause."""
    _move(model, "resume", reason)


@commands.command("advance")
def advance(model: _Model, reason: _Reason) -> None:
    """Take the next step now; after the last one the version becomes champion."""
    _move(model, "advance", reason)


@commands.command("set-back")
def set_back(model: _Model, reason: _Reason) -> None:
    """Go back to the share of the step before; its figures are counted from now on."""
    _move(model, "set-back", reason)


@commands.command("abort")
def abort(model: _Model, reason: _Reason) -> None:
    """Let the champion answer everybody; the version is marked and not proposed again by itself."""
    _move(model, "abort", reason)


def _move(name: str, what: str, reason: str) -> None:
    import getpass
    from datetime import UTC, datetime

    from almanac.config.approvers import approval_of
    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.journal.records import RunRef
    from almanac.release.rollout import move_rollout
    from almanac.services.registry_access import open_registry

    if len(reason.strip()) < 3:
        raise typer.BadParameter("--reason: say why, in at least three characters")
    home, now = Home(), datetime.now(UTC)
    model = find_model(home.models, name)
    if what == "advance" and approval_of(model, home).four_eyes:
        raise typer.BadParameter(
            f"{name}: four eyes are required (approval.four_eyes), and a command line proves only one user of this"
            f" machine. Let the steps go on by themselves, or start rollout_{name} in Airflow"
        )
    run = RunRef("almanac", f"command__{now.isoformat()}", started_by=getpass.getuser(), trigger="command line")
    at = move_rollout(
        model, open_registry(home), Journal(home.journal_url), what, reason=reason.strip(), run=run, now=now
    )
    print(f"{at.id}: version {at.version} is {at.state.replace('_', ' ')}, step {at.step}, share {at.share:.1%}.")


def _row(one: "RolloutTransition") -> dict[str, Any]:
    from dataclasses import asdict

    row = asdict(one)
    return {**row, "changed_at": one.changed_at.isoformat(), "id": one.id}
