"""`adopt`: a graph that exists already becomes a candidate of a model."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(adopt)


def adopt(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    graph: Annotated[Path, typer.Argument(help="The ONNX graph.")],
    trained_until: Annotated[
        str, typer.Option("--trained-until", help="The last event time among its training rows, with its offset.")
    ],
    native: Annotated[list[Path] | None, typer.Option("--native", help="A file to keep with the version.")] = None,
    name: Annotated[str, typer.Option("--name", help="What the candidate is called.")] = "adopted",
    threshold: Annotated[float, typer.Option("--threshold", help="Probability from which the label is 1.")] = 0.5,
) -> None:
    """Judge a finished ONNX graph as any candidate; one that passes is registered. Exit code 1: it was refused."""
    import getpass
    from datetime import UTC, datetime

    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.journal.records import RunRef
    from almanac.release.graph_adoption import GraphFiles, adopt_graph
    from almanac.release.promotion import register as register_version
    from almanac.services.registry_access import open_registry

    try:
        until = datetime.fromisoformat(trained_until)
    except ValueError as error:
        raise typer.BadParameter(f"--trained-until: got {trained_until!r}, expected 2026-01-31T00:00:00Z") from error
    if until.utcoffset() is None:
        raise typer.BadParameter(f"--trained-until: got {trained_until!r} without an offset; add Z or +02:00")
    home, now = Home(), datetime.now(UTC)
    declared, journal, registry = find_model(home.models, model), Journal(home.journal_url), open_registry(home)
    run = RunRef("almanac", f"adopt__{now.isoformat()}", started_by=getpass.getuser(), trigger="command line")
    given = GraphFiles(graph, until, tuple(native or ()), name, threshold)
    verdict = adopt_graph(declared, home, journal, registry, given, run=run, now=now, on_progress=print)
    for reason in verdict.reasons:
        print(f"  {reason}")
    if not verdict.accepted:
        print(f"{model}: the gates refuse {graph.name}; its files are in MLflow run {verdict.subject}")
        raise typer.Exit(1)
    made = register_version(registry, model, verdict.subject, run=run, journal=journal, now=now)
    print(f"{model}@{made.version}: registered; almanac promote {model}@{made.version} makes it champion")
