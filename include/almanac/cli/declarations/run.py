"""`run`: what a change of a declaration does, from the rows to the gates, as a report for a pull request."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from almanac.config.home import Home
    from almanac.preview.figures import Preview


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(run)


def run(
    model: Annotated[str, typer.Argument(help="The name of a declared model.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="Files such as will land; without: its dataset.", dir_okay=False),
    ] = None,
    dataset: Annotated[
        int | None, typer.Option("--dataset", help="A version of the dataset of this home; without: the newest.", min=0)
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write the report here, as Markdown.")] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            help="Compare with the base branch: its folder of models, played on the same rows, or its --figures.",
        ),
    ] = None,
    figures: Annotated[Path | None, typer.Option("--figures", help="Write the figures here, for --against.")] = None,
) -> None:
    """Play ingest, training and gates of a model in a scratch home, and report its figures; nothing is published.

    Exit code 1: it cannot be trained, or its gates refuse what they let pass on the base branch.
    """
    from almanac.config.home import Home
    from almanac.preview.figures import read_figures
    from almanac.preview.report import is_worse, render_report

    if files and dataset is not None:
        raise typer.BadParameter("give files or --dataset, not both")
    home, now = Home(), datetime.now(UTC)
    base = None
    if against is not None:
        base = _played(against, model, files, dataset, home, now) if against.is_dir() else read_figures(against)
    here = _played(home.models, model, files, dataset, home, now)
    text = render_report(here, base)
    if figures is not None:
        figures.write_text(here.to_json(), "utf-8")
    if report is not None:
        report.write_text(text, "utf-8")
    print(text, end="")
    if is_worse(here, base):
        raise typer.Exit(1)


def _played(
    folder: Path, model: str, files: "list[Path] | None", dataset: int | None, home: "Home", now: datetime
) -> "Preview":
    import sys

    from almanac.config.files.loader import find_model
    from almanac.draft.sample import open_file
    from almanac.preview.preview import preview_dataset, preview_files

    def report_step(text: str) -> None:
        print(f"  {folder}: {text}", file=sys.stderr, flush=True)

    declared = find_model(folder, model)
    if files:
        return preview_files(declared, home, [open_file(one) for one in files], now=now, on_progress=report_step)
    return preview_dataset(declared, home, dataset, now=now, on_progress=report_step)
