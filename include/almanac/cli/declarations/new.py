"""`new`: a repository of a team's own for its models."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(new)


def new(folder: Annotated[Path, typer.Argument(help="Where: a folder that does not exist, or is empty.")]) -> None:
    """Make a repository for models of your own: declarations, an environment, tests of them, a CI workflow.

    It stands beside an installed Almanac and holds none of its code.
    """
    from almanac.draft.new_repository import MODELS, create_repository

    for name in create_repository(folder):
        print(f"  {name}")
    models = (folder / MODELS).resolve()
    print(f"\nNext: export ALMANAC_MODELS={models}\n      almanac draft NAME FILE.csv --label COLUMN --horizon 1d")
