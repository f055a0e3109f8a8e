"""`example`: made-up data and the declaration of a model of them, to try one of each kind."""

from pathlib import Path
from typing import Annotated

import typer

from almanac.cli.terminal import AsJson, print_json


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(example)


def example(
    name: Annotated[str | None, typer.Argument(help="Of an example; unset: they are listed.")] = None,
    folder: Annotated[
        Path | None, typer.Argument(help="Where its files are written; unset: a folder of its name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write an example into a folder: the YAML of a model and made-up data for it. Without a name: list them."""
    from almanac.config.home import Home
    from almanac.display import did_you_mean
    from almanac.errors import ConfigError
    from almanac.examples.catalogue import EXAMPLES, write_example

    if name is None:
        if as_json:
            print_json([{"name": each, "shows": one.shows} for each, one in EXAMPLES.items()])
            return
        for each, one in EXAMPLES.items():
            print(f"{each:8} {one.shows}")
        return
    if name not in EXAMPLES:
        raise ConfigError(f"example: got {name!r}, expected one of {', '.join(EXAMPLES)}{did_you_mean(name, EXAMPLES)}")
    try:
        written = write_example(name, folder or Path(name))
    except FileExistsError as error:
        raise ConfigError(
            f"example: {error} is there already with another content; nothing was written. Name another folder"
        ) from error
    if as_json:
        print_json([str(path) for path in written])
        return
    home, declaration, first = Home(), *written[:2]
    for path in written:
        print(f"{path}: written")
    landing = home.landing_of(name)
    print(f"Now:\n  1. cp {declaration} {home.models}/")
    print(f"  2. ./almanac check {name} {first}   # tries it, and publishes nothing")
    print(f"  3. mkdir -p {landing} && cp {first} {landing}/   # while the services are up, its DAGs do the rest")
    if later := EXAMPLES[name].later:
        print(f"  4. Later, in the same way: {first.with_name(later)}")
