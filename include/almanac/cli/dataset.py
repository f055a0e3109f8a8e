"""`dataset`: what a model's dataset is, at any of its versions."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.terminal import AsJson

if TYPE_CHECKING:
    from almanac.data.table.card import DatasetCard


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(dataset)


def dataset(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[int | None, typer.Option(help="A dataset version; default: the newest.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show origin, owner, licence, schema and statistics of a dataset; reads no data files."""
    from almanac.config.files.loader import find_declared
    from almanac.config.home import Home
    from almanac.data.table.card import describe_dataset

    home = Home()
    card = describe_dataset(find_declared(home.models, model), home, version)
    if as_json:
        print(json.dumps(asdict(card), default=str, ensure_ascii=False, indent=2))
    else:
        print_card(card)


def print_card(card: "DatasetCard") -> None:
    """Print the card: what it is first, then a line for each column."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = {
        "place": card.uri,
        "origin": card.origin,
        "owner": card.owner,
        "licence or restriction": card.licence,
        "version": f"{card.version}, after {'none' if card.parent_version is None else card.parent_version}",
        "created": f"{card.created_at:%Y-%m-%d %H:%M} UTC",
        "changed": f"{card.changed_at:%Y-%m-%d %H:%M} UTC" + (f", by batch {card.batch[:12]}" if card.batch else ""),
        "rows": f"{card.rows:,} in {card.files} files, {card.size_bytes:,} bytes",
    }
    console = Console()
    facts = Table(title=f"dataset of {card.model}", show_header=False)
    for name, text in texts.items():
        facts.add_row(name, Text(text))
    console.print(facts)
    columns = Table("column", "type", "unit", "empty", "smallest", "largest")
    for one in card.columns:
        low, high = ("" if value is None else str(value) for value in (one.smallest, one.largest))
        columns.add_row(one.name, one.type, one.unit, str(one.nulls), low, high)
    console.print(columns)
