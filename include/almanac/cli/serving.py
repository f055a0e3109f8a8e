"""`serve`: the champions answer requests; `token`: who may ask them."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from almanac.cli.terminal import AsJson, print_json
from almanac.serving.tokens import Scope

commands = typer.Typer(help="Tokens of callers of the service: create, list, revoke.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(serve)
    app.add_typer(commands, name="token")


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Where to listen. Put a proxy with TLS before other hosts.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Where to listen.")] = 8070,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; one per core, at most.")] = 1,
) -> None:
    """Let the champions of models that declare `serve` answer requests, until SIGTERM or Ctrl-C."""
    from almanac.serving.server import serve as run

    run(host, port, workers=workers)


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Of the caller.")],
    models: Annotated[
        list[str], typer.Option("--model", help="For which model it is good; repeat, or '*' for every one.")
    ],
    days: Annotated[int, typer.Option("--days", min=1, help="For how many days.")] = 90,
    scope: Annotated[
        Scope, typer.Option("--scope", help="predict: may ask for predictions; metrics: may read /almanac/metrics.")
    ] = "predict",
) -> None:
    """Create a token and print it, once: it is kept nowhere."""
    import getpass
    from datetime import timedelta

    from almanac.config.files.loader import find_declared
    from almanac.config.home import Home
    from almanac.serving.tokens import EVERY_MODEL, Tokens

    home, now = Home(), datetime.now(UTC)
    for model in models:
        if model != EVERY_MODEL:
            find_declared(home.models, model)
    text = Tokens(home.serving).create(
        name, models=tuple(models), lasts=timedelta(days=days), by=getpass.getuser(), now=now, scope=scope
    )
    print(text)


@commands.command("list")
def show(as_json: AsJson = False) -> None:
    """List the tokens: whose, for what, until when; never the tokens themselves."""
    from almanac.config.home import Home
    from almanac.serving.tokens import Tokens

    now = datetime.now(UTC)
    rows = [
        {
            "name": each.name,
            "state": each.state(now),
            "models": list(each.models),
            "scope": each.scope,
            "created_at": each.created_at,
            "created_by": each.created_by,
            "expires_at": each.expires_at,
        }
        for each in Tokens(Home().serving).all()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        until, models = str(row["expires_at"])[:16], ", ".join(map(str, row["models"]))
        print(f"{row['name']:20} {row['state']:8} until {until} UTC  {row['scope']:8} {models}")
    if not rows:
        print("There is no token; create one: almanac token create NAME --model MODEL")


@commands.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="Of the caller.")]) -> None:
    """Let a caller's tokens be good no longer; the service refuses them within a second."""
    from almanac.config.home import Home
    from almanac.serving.tokens import Tokens

    revoked = Tokens(Home().serving).revoke(name, now=datetime.now(UTC))
    print(f"{name}: {revoked} revoked" if revoked else f"{name}: no token that is good")
    if not revoked:
        raise typer.Exit(1)
