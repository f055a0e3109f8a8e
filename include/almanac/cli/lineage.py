"""`trace` and `rebuild`: where a version or a prediction comes from, and whether it can be made again."""

import json
import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from almanac.registry.store import Registry
    from almanac.release.lineage import Lineage
    from almanac.release.rebuild import RebuiltVersion

_FILES_SHOWN = 20
_ANSWER = re.compile(r"[0-9a-f]{32}")  # the ids that the service gives


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(trace)
    app.command()(rebuild)


def trace(
    what: Annotated[str, typer.Argument(help="weather@3, weather@champion, or a prediction's or an answer's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every file.")] = False,
) -> None:
    """Print the chain prediction -> version -> run -> dataset version -> batches -> files -> code."""
    from almanac.config.files.loader import find_model, load_models
    from almanac.config.home import Home
    from almanac.release import lineage
    from almanac.scoring.prediction_id import PredictionId
    from almanac.services.registry_access import open_registry

    home = Home()
    registry = open_registry(home)
    if "@" in what and "/" not in what:
        name, number = version_of(registry, what)
        found = lineage.trace(find_model(home.models, name), home, registry, number)
    elif _ANSWER.fullmatch(what):
        found = lineage.trace_answer(load_models(home.models).models, home, registry, what)
    else:
        asked = PredictionId.parse(what)
        found = lineage.trace_prediction(find_model(home.models, asked.model), home, registry, asked)
    if as_json:
        print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
    else:
        print_lineage(found)


def rebuild(version: Annotated[str, typer.Argument(help="weather@3 or weather@champion.")]) -> None:
    """Train a version again from its passport and compare; exit code 1 when the results differ. Writes nothing."""
    from almanac.config.home import Home
    from almanac.release.rebuild import rebuild as again
    from almanac.services.registry_access import open_registry

    home = Home()
    registry = open_registry(home)
    name, number = version_of(registry, version)
    done = again(
        home, registry, registry.version(name, number), on_progress=lambda text: print(f"  {text}", flush=True)
    )
    print_rebuilt(done)
    if not done.same:
        raise typer.Exit(1)


def _print_progress(message: str) -> None:
    print(f"  {message}", flush=True)


def version_of(registry: "Registry", text: str) -> tuple[str, str]:
    """Model and number of `model@number` or `model@alias`.

    Raises:
        RegistryError: it is neither.
    """
    from almanac.errors import RegistryError

    name, _, wanted = text.partition("@")
    if name and wanted.isdecimal():
        return name, wanted
    aliases = registry.aliases(name) if name and wanted else {}
    if wanted not in aliases:
        raise RegistryError(
            f"{text}: no such version; got aliases {aliases}, expected for example weather@3 or weather@champion"
        )
    return name, aliases[wanted]


def print_lineage(lineage: "Lineage") -> None:
    """Print one line for each link, then the files."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    chain = Table(show_header=False, box=None, pad_edge=False)
    chain.add_column(style="bold", no_wrap=True)
    chain.add_column(overflow="fold")
    for name, text in lineage.steps():
        chain.add_row(name, Text(text))
    console.print(chain)
    files = Table("batch", "rows", "dataset version")
    files.add_column("file", overflow="fold")
    for one in lineage.batches[-_FILES_SHOWN:]:
        files.add_row(one.batch_id[:12], str(one.rows_published), str(one.dataset_version), Text(one.uri))
    console.print(files)
    hidden = max(len(lineage.batches) - _FILES_SHOWN, 0)
    if hidden:
        print(f"{hidden} older batches are not shown; --json shows them.")


def print_rebuilt(rebuilt: "RebuiltVersion") -> None:
    """Print what is the same and what is not."""
    from rich.console import Console
    from rich.table import Table

    table = Table("", "recorded", "rebuilt", "", title=f"{rebuilt.version} rebuilt from its passport")
    for one in rebuilt.results:
        table.add_row(one.name, one.recorded, one.rebuilt, "same" if one.same else "[bold red]differs[/]")
    Console().print(table)
    for warning in rebuilt.warnings:
        print(f"Note: {warning}")
    differing = [one.name for one in rebuilt.results if not one.same]
    print("The results are the same." if rebuilt.same else f"The results differ: {', '.join(differing)}.")
