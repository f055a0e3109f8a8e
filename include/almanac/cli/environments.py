"""`environment`: lock, build and list the environments of training programs."""

from typing import Annotated

import typer

from almanac.cli.terminal import AsJson, print_json

commands = typer.Typer(help="Lock, build or list the environments of training programs.", no_args_is_help=True)
_NAME = Annotated[str, typer.Argument(help="The environment's name: that of its .txt file.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="environment")


@commands.command()
def lock(name: _NAME) -> None:
    """Write the versions and hashes of what environments/<name>.txt asks for into <name>.lock."""
    from almanac.config.home import Home
    from almanac.programs.environments import lock_environment

    print(f"written: {lock_environment(Home().models, name)}")


@commands.command()
def build(name: _NAME) -> None:
    """Build the environment of a lock on this machine, unless it is built already."""
    from almanac.config.home import Home
    from almanac.programs.environments import build_environment

    home = Home()
    print(f"built: {build_environment(home.models, home.built_environments, name)}")


@commands.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the environments, and whether each is locked and built on this machine."""
    from almanac.config.home import Home
    from almanac.programs.environments import list_environments

    home = Home()
    found = list_environments(home.models, home.built_environments)
    if as_json:
        print_json(found)
        return
    for one in found:
        state = f"built: {one.built}" if one.built else "locked, not built here" if one.locked else "not locked"
        print(f"{one.name}: {state}")
    if not found:
        print(f"none: {home.models / 'environments'} holds no .txt file")
