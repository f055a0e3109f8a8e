"""`forecast`: which version is published, what became of each grain, adjustments, and back to an earlier version."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    from almanac.journal.records import RunRef

commands = typer.Typer(
    help="Show a forecast by grain, adjust it, see which candidates have changed, or go back to an earlier version.",
    no_args_is_help=True,
)
_MODEL = Annotated[str, typer.Argument(help="The forecast's name.")]
_REASON = Annotated[str, typer.Option("--reason", help="Why. Recorded in the journal with your name.")]
_WORST = 10


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="forecast")


@commands.command()
def show(
    model: _MODEL,
    version: Annotated[str, typer.Option(help="A version; default: the published one.")] = "",
    as_json: AsJson = False,
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
    aside = set_aside(declared, home, chosen)
    verdicts = Journal(home.journal_url).decisions(model, DecisionKind.GATES, limit=1, subject=chosen)
    if as_json:
        columns = ["grain", "candidate", "error", "baseline_error", "kept_baseline"]
        grains = results.select(columns).to_dicts()
        print_json({"version": chosen, "verdict": verdicts, "grains": grains, "set_aside": aside})
        return
    print(
        f"{model}: version {chosen}{'' if version else ', published'}; {len(results)} grains, {kept} keep the baseline"
    )
    for decision in verdicts:
        print(f"{'accepted' if decision.accepted else 'refused'} at {decision.decided_at:%Y-%m-%d %H:%M} UTC")
        for reason in decision.reasons:
            print(f"    {reason}")
    used = Counter(results["candidate"].to_list()).most_common()
    print(f"candidates: {', '.join(f'{name} {count}' for name, count in used)}")
    print("worst, by the error of the backtests:")
    for row in results.sort("error", descending=True).head(_WORST).iter_rows(named=True):
        print(f"    {row['grain']}  {row['error']:.3f}, baseline {row['baseline_error']:.3f}  {row['candidate']}")
    print(f"set aside: {len(aside)}")
    for grain, reasons in aside.items():
        print(f"    {grain}  {reasons}")


@commands.command()
def rollback(
    model: _MODEL,
    version: Annotated[str, typer.Argument(help="The version to publish again.")],
    reason: _REASON,
) -> None:
    """Publish an earlier version again; the one that leaves is not published again by any run."""
    from almanac.config.files.loader import find_forecast
    from almanac.config.home import Home
    from almanac.forecast.published import PublishedTable, roll_back
    from almanac.journal.journal import Journal

    reason = _checked_reason(reason)
    home, now = Home(), datetime.now(UTC)
    declared = find_forecast(home.models, model)
    leaving = PublishedTable.of(home, declared).version()
    roll_back(declared, home, version, reason, journal=Journal(home.journal_url), run=_run(now), now=now)
    print(f"{model}: version {version} is published again; version {leaving} stays away")


@commands.command()
def adjust(
    model: _MODEL,
    grain: Annotated[str, typer.Argument(help="As `forecast show` names it, such as '[\"S01\"]'; or the value alone.")],
    percent: Annotated[float, typer.Option(help="+10 makes 100 into 110; -100 makes it 0.")],
    since: Annotated[datetime, typer.Option(help="The first time that is adjusted, in UTC.")],
    until: Annotated[datetime, typer.Option(help="The time up to which it is, exclusive, in UTC.")],
    reason: _REASON,
    expires: Annotated[datetime | None, typer.Option(help="Until when it is applied; default: 30 days.")] = None,
) -> None:
    """Adjust the published forecast of a grain; the model's own value stays beside it."""
    from almanac.config.files.loader import find_forecast
    from almanac.config.home import Home
    from almanac.forecast.adjusted import adjust_published
    from almanac.journal.journal import Journal

    home, now, reason = Home(), datetime.now(UTC), _checked_reason(reason)
    done = adjust_published(
        *(find_forecast(home.models, model), home, Journal(home.journal_url), grain, percent),
        since.replace(tzinfo=UTC),
        until.replace(tzinfo=UTC),
        expires_at=None if expires is None else expires.replace(tzinfo=UTC),
        reason=reason,
        run=_run(now),
        now=now,
    )
    print(f"{model}: adjustment {done['adjustment']}: {percent:+g} % of {done['grain']}; {_published(done)}")


@commands.command()
def unadjust(
    model: _MODEL,
    adjustment: Annotated[str, typer.Argument(help="Its id, as `forecast adjustments` lists it.")],
    reason: _REASON,
) -> None:
    """Take an adjustment back; it stays in the journal."""
    from almanac.config.files.loader import find_forecast
    from almanac.config.home import Home
    from almanac.forecast.adjusted import publish_again
    from almanac.forecast.adjustments import undo_adjustment
    from almanac.journal.journal import Journal

    home, now, reason = Home(), datetime.now(UTC), _checked_reason(reason)
    declared, run, journal = find_forecast(home.models, model), _run(now), Journal(home.journal_url)
    found = undo_adjustment(declared, journal, adjustment, reason, run=run, now=now)
    done = publish_again(declared, home, journal, run=run, now=now)
    print(f"{model}: adjustment {found.id} of {found.grain} is undone; {_published(done)}")


@commands.command()
def switches(
    model: _MODEL,
    since: Annotated[datetime, typer.Option(help="Published from this time on, in UTC.")],
    was: Annotated[str, typer.Option("--from", help="Only from this candidate.")] = "",
    now: Annotated[str, typer.Option("--to", help="Only to this candidate.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the grains that changed their candidate from one published version to the next."""
    from almanac.config.files.loader import find_forecast
    from almanac.config.home import Home
    from almanac.forecast.past.switches import switches_of

    home = Home()
    found = switches_of(find_forecast(home.models, model), home, since.replace(tzinfo=UTC))
    chosen = [one for one in found if was in ("", one.was) and now in ("", one.now)]
    if as_json:
        print_json(chosen)
        return
    for one in chosen:
        print(f"{one.at:%Y-%m-%d}  {one.grain}  {one.was}, now {one.now}  version {one.version}")
    print(f"{len(chosen)} switches")


@commands.command()
def adjustments(model: _MODEL, as_json: AsJson = False) -> None:
    """List all adjustments: by whom, why, until when, and whether they have helped where actual values have come."""
    from almanac.config.files.loader import find_forecast
    from almanac.config.home import Home
    from almanac.forecast.adjustments import adjustments_of
    from almanac.forecast.past.accuracy import help_of, past_forecasts
    from almanac.journal.journal import Journal

    home, now = Home(), datetime.now(UTC)
    declared = find_forecast(home.models, model)
    found = adjustments_of(Journal(home.journal_url), model)
    if as_json:
        print_json(found)
        return
    past = past_forecasts(declared, home) if found else None
    for one in found:
        state = f"undone by {one.undone}" if one.undone else "active" if one.is_active(now) else "expired"
        print(
            f"{one.id}  {one.grain}  {one.percent:+g} %  {one.since:%Y-%m-%d} up to {one.until:%Y-%m-%d}, {state}"
            f" (expires {one.expires_at:%Y-%m-%d}); {one.made_by}: {one.reason}"
        )
        if past is not None:
            print(f"    {help_of(one, past).words}")
    print(f"{len(found)} adjustments")


def _published(done: Mapping[str, object]) -> str:
    return f"version {done['version']} is published with {done['active']} adjustments"


def _checked_reason(reason: str) -> str:
    if len(reason.strip()) < 3:
        raise typer.BadParameter("--reason: say why, in at least three characters")
    return reason.strip()


def _run(now: datetime) -> "RunRef":
    import getpass

    from almanac.journal.records import RunRef

    return RunRef("almanac", f"command__{now.isoformat()}", started_by=getpass.getuser(), trigger="command line")
