"""`config show`, `config diff`: what is in force, and what one environment has that another has not."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(help="Settings in force, and differences between environments.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="config")
    app.command()(schema)


def schema(
    write: Annotated[bool, typer.Option("--write", help="Write it beside the declarations.")] = False,
) -> None:
    """Print the JSON schema of a model's YAML, for editors and programs."""
    from almanac.config.files.json_schema import as_text, write_schema
    from almanac.config.home import Home

    print(f"{write_schema(Home().models)} is written" if write else as_text(), end="\n" if write else "")


@commands.command()
def show(
    model: Annotated[str, typer.Argument(help="The name of a model.")],
    folder: Annotated[
        Path | None, typer.Option("--in", help="A folder of declarations or a profile; default: ALMANAC_MODELS.")
    ] = None,
) -> None:
    """Print a model's declaration in force: defaults, its own file, and the profile on top of them."""
    from almanac.config.home import Home

    print(_in_force(folder or Home().models, model), end="")


@commands.command()
def diff(
    before: Annotated[Path, typer.Argument(help="A profile, for example include/environments/staging.")],
    after: Annotated[Path, typer.Argument(help="Another profile, for example include/environments/production.")],
    model: Annotated[str, typer.Option(help="Only this model.")] = "",
) -> None:
    """Print the differences between two environments, by model; exit code 1 when there are any, like `diff`."""
    from difflib import unified_diff

    from almanac.config.files.loader import check_models

    names = [model] if model else sorted({*check_models(before), *check_models(after)})
    differs = False
    for name in names:
        old, new = (_in_force(folder, name).splitlines() for folder in (before, after))
        for line in unified_diff(old, new, f"{before}: {name}", f"{after}: {name}", lineterm="", n=1):
            differs = True
            print(line)
    if differs:
        raise typer.Exit(1)


def _in_force(folder: Path, model: str) -> str:
    import yaml

    from almanac.config.files.loader import find_declared

    declared = find_declared(folder, model).model_dump(mode="json", exclude_none=True, by_alias=True)
    return yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=120)
