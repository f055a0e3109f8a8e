"""`cost`: what tasks have used, and what that costs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from almanac.cli.terminal import AsJson

if TYPE_CHECKING:
    from almanac.config.sections.costs import Prices
    from almanac.costs.amounts import Cost
    from almanac.costs.ledger import Ledger

_NO_MODEL = "(installation)"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("cost")(cost)


def cost(
    by: Annotated[
        Literal["model", "pipeline", "version", "month"], typer.Option("--by", help="What to add up by.")
    ] = "model",
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help="First day, UTC; by default the first of this month."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write each try of a task to this file, with the columns of FOCUS.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what tasks have used since a day, and what that costs at the declared prices; of refused trainings, too."""
    from almanac.cli.terminal import print_json
    from almanac.config.files.loader import load_installation
    from almanac.config.home import Home
    from almanac.costs.amounts import cost_of, dearest_first
    from almanac.costs.ledger import Ledger, month_of
    from almanac.journal.journal import Journal

    home, now = Home(), datetime.now(UTC)
    first = (since or now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)).replace(tzinfo=UTC)
    ledger, prices = Ledger(Journal(home.journal_url)), load_installation(home.models).prices
    if csv is not None:
        _export(ledger, prices, first, csv)
        return
    if by == "month":
        found = [cost_of(one, prices) for one in ledger.by_month(month_of(since) if since else "")]
    else:
        used = ledger.by_version(first) if by == "version" else ledger.by(by, first)
        found = dearest_first(used, prices)
    refused = dearest_first(ledger.refused_trainings(first), prices)
    if as_json:
        currency = prices.currency if prices else None
        print_json({"since": first, "by": by, "currency": currency, "costs": found, "refused_trainings": refused})
        return
    _print(found, by, prices)
    if refused and by != "month":
        print(f"\nOf these, trainings that the gates refused, since {first:%Y-%m-%d}:")
        _print(refused, "model", prices)
    if prices is None:
        print("\nNo amounts: `prices` of _installation.yaml is not declared; see docs/cost.md.")
    if since and by != "month" and (oldest := ledger.oldest()) and oldest > first:
        print(
            f"\nThe oldest row is of {oldest:%Y-%m-%d %H:%M}Z; sums of earlier months, if any: almanac cost --by month"
        )


def _export(ledger: "Ledger", prices: "Prices | None", since: datetime, file: Path) -> None:
    from almanac.costs.focus import write_focus
    from almanac.errors import ConfigError

    if prices is None:
        raise ConfigError(
            "cost --csv: a row of FOCUS has an amount; got no `prices` in _installation.yaml, expected"
            " `prices: {currency: EUR, cpu_hour: 0.04}`; see docs/cost.md"
        )
    try:
        with file.open("w", encoding="utf-8", newline="") as opened:
            number = write_focus(ledger.rows(since), prices, opened)
    except OSError as error:
        raise ConfigError(
            f"cost --csv {file}: cannot be written: {error.strerror}; give a file in a folder of yours"
        ) from error
    print(f"{file}: {number} charges since {since:%Y-%m-%d}")


def _print(found: "list[Cost]", by: str, prices: "Prices | None") -> None:
    money = prices.currency if prices else "amount"
    energy = prices is not None and prices.watts_per_cpu is not None
    head = f"{by:32} {'tasks':>7} {'hours':>9} {'CPU h':>9} {'GiB h':>9} {money:>10}"
    print(f"{head} {'kWh, estimated':>15}" if energy else head)
    for one in found:
        amount = "-" if one.amount is None else f"{one.amount:.4f}"
        line = (
            f"{one.name or _NO_MODEL:32} {one.tasks:7} {one.wall_hours:9.3f} {one.cpu_hours:9.3f}"
            f" {one.memory_gib_hours:9.3f} {amount:>10}"
        )
        print(line if one.energy_kwh is None else f"{line} {one.energy_kwh:15.4f}")
    if not found:
        print("no task of Almanac has ended since then")
