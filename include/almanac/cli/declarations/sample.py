"""`sample`: made-up files for the shipped model, so that a new installation has something to show."""

from typing import Annotated

import typer

from almanac.cli.terminal import print_json


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(sample)


def sample(
    months: Annotated[
        int, typer.Option(min=1, max=120, help="Whole months before this one; the folds of the shipped model need 14.")
    ] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the files that were landed.")] = False,
) -> None:
    """Land made-up hourly weather until yesterday for the model `weather`; each file once, however often it is called.

    No hour of it was measured. The pipelines ingest it, train and score as soon as the services run.
    """
    from datetime import UTC, datetime

    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.sample.landing import MODEL, land_sample

    home = Home()
    landed = land_sample(
        home,
        Journal(home.journal_url),
        months=months,
        now=datetime.now(UTC),
        report=(lambda _: None) if as_json else print,
    )
    if as_json:
        print_json([{"name": file.name, "start": file.start.isoformat(), "hours": file.hours} for file in landed])
        return
    hours = sum(file.hours for file in landed)
    print(
        f"{len(landed)} files with {hours} made-up hours are in {home.landing_of(MODEL)}." if landed else "Nothing new."
    )
