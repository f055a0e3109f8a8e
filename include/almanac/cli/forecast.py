"""`forecast`: which version of a forecast is published, what became of each grain, and back to an earlier version."""

from collections import Counter
from typing import Annotated

import typer

commands = typer.Typer(help="Show a forecast by grain, or go back to an earlier version.", no_args_is_help=True)
_MODEL = Annotated[str, typer.Argument(help="The forecast's name.")]
_WORST = 10


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="forecast")


@commands.command()
def show(
    model: _MODEL,
    version: Annotated[str, typer.Option(help="A version; default: the published one.")] = "",
) -> None:
    """Show a version: its verdict, the candidates that are used, the worst grains, and those that are set aside."""
    from almanac.config.files.loader import find_forecast
    from almanac.config.home import Home
    from almanac.errors import DataError
    from almanac.forecast.published import PublishedTable
    from almanac.forecast.versions import results_of, set_aside
    from almanac.journal.journal import Journal
    from almanac.journal.records import DecisionKind

    home = Home()
    declared = find_forecast(home.models, model)
    chosen = version or PublishedTable.of(home, declared).version()
    if chosen is None:
        raise DataError(f"{model}: nothing is published; expected a version. Start forecast_{model} in Airflow")
    results = results_of(declared, home, chosen)
    kept = int(results["kept_baseline"].sum())
    print(
        f"{model}: version {chosen}{'' if version else ', published'}; {len(results)} grains, {kept} keep the baseline"
    )
    for decision in Journal(home.journal_url).decisions(model, DecisionKind.GATES, limit=1, subject=chosen):
        print(f"{'accepted' if decision.accepted else 'refused'} at {decision.decided_at:%Y-%m-%d %H:%M} UTC")
        for reason in decision.reasons:
            print(f"    {reason}")
    used = Counter(results["candidate"].to_list()).most_common()
    print(f"candidates: {', '.join(f'{name} {count}' for name, count in used)}")
    print("worst, by the error of the backtests:")
    for row in results.sort("error", descending=True).head(_WORST).iter_rows(named=True):
        print(f"    {row['grain']}  {row['error']:.3f}, baseline {row['baseline_error']:.3f}  {row['candidate']}")
    aside = set_aside(declared, home, chosen)
    print(f"set aside: {len(aside)}")
    for grain, reasons in aside.items():
        print(f"    {grain}  {reasons}")


@commands.command()
def rollback(
    model: _MODEL,
    version: Annotated[str, typer.Argument(help="The version to publish again.")],
    reason: Annotated[str, typer.Option("--reason", help="Why. Recorded in the journal with your name.")],
) -> None:
    """Publish an earlier version again; the one that leaves is not published again by any run."""
    import getpass
    from datetime import UTC, datetime

    from almanac.config.files.loader import find_forecast
    from almanac.config.home import Home
    from almanac.forecast.published import PublishedTable, roll_back
    from almanac.journal.journal import Journal
    from almanac.journal.records import RunRef

    if len(reason.strip()) < 3:
        raise typer.BadParameter("--reason: say why, in at least three characters")
    home, now = Home(), datetime.now(UTC)
    declared = find_forecast(home.models, model)
    leaving = PublishedTable.of(home, declared).version()
    run = RunRef("almanac", f"command__{now.isoformat()}", started_by=getpass.getuser(), trigger="command line")
    roll_back(declared, home, version, reason.strip(), journal=Journal(home.journal_url), run=run, now=now)
    print(f"{model}: version {version} is published again; version {leaving} stays away")
