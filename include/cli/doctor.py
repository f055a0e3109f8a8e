"""`doctor`: what is wrong with this machine or this home."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(doctor)


def doctor() -> None:
    """Check versions, ports, disk, memory, places, services, DAGs and YAML files; exit code 1 on a failure."""
