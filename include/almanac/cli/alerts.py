"""`alerts`: open alerts, who acknowledged them, and what was not delivered."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    from almanac.journal.records import DeliveredAlert

commands = typer.Typer(help="Alerts: list, show, acknowledge, dismiss.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="alerts")


@commands.command("list")
def list_alerts(
    model: Annotated[str, typer.Option(help="Only this model's.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Closed ones, too.")] = False,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="Messages that were not delivered, and why.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List open alerts; exit code 1 when a critical one is not acknowledged."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from almanac.alerts.alert_log import AlertLog
    from almanac.config.home import Home
    from almanac.journal.journal import Journal

    journal = Journal(Home().journal_url)
    if undelivered:
        _print_undelivered(journal.alerts(model or None), as_json=as_json)
        return
    found = AlertLog(journal).recent(model=model, over=everything)
    critical = any(
        each.ended_at is None and not each.acknowledged_by and each.message.severity == "critical" for each in found
    )
    if as_json:
        print_json(found)
        raise typer.Exit(int(critical))
    table = Table("number", "since", "times", "severity", "model", "what", "acknowledged by", "over", title="alerts")
    colors = {"critical": "red", "warning": "yellow"}
    for each in found:
        severity = Text(each.message.severity, style=colors.get(each.message.severity, ""))
        table.add_row(
            str(each.id),
            _minute(each.opened_at),
            str(each.times),
            severity,
            each.model,
            Text(each.message.subject),
            each.acknowledged_by,
            _minute(each.ended_at),
        )
    Console().print(table)
    if critical:
        raise typer.Exit(1)


@commands.command()
def show(
    number: Annotated[int, typer.Argument(help="The number in `almanac alerts list`.")], as_json: AsJson = False
) -> None:
    """Show one alert: what happened, since when, how often, what to do."""
    from almanac.alerts.alert import worded
    from almanac.alerts.alert_log import AlertLog
    from almanac.config.home import Home
    from almanac.journal.journal import Journal

    alert = AlertLog(Journal(Home().journal_url)).alert(number)
    if as_json:
        print_json(alert)
        return
    print(worded(alert, "new", alert.seen_at).text)
    print(f"Sent to: {', '.join(alert.told_to) or 'log and journal'}; last at {_minute(alert.told_at) or '-'}")
    if alert.acknowledged_by:
        print(f"Acknowledged by {alert.acknowledged_by} at {_minute(alert.acknowledged_at)}")
    if alert.dismissed_by:
        print(f"Dismissed by {alert.dismissed_by} at {_minute(alert.ended_at)}: {alert.dismiss_reason}")


@commands.command()
def ack(
    number: Annotated[int, typer.Argument(help="The number in `almanac alerts list`.")],
    by: Annotated[str, typer.Option(help="Who acknowledges it; default: you.")] = "",
) -> None:
    """Acknowledge an alert: no reminder and no escalation follows; its end is still reported."""
    import getpass
    from datetime import UTC

    from almanac.alerts.alert_log import AlertLog
    from almanac.config.home import Home
    from almanac.journal.journal import Journal

    alert = AlertLog(Journal(Home().journal_url)).acknowledge(number, by or getpass.getuser(), datetime.now(UTC))
    print(f"{alert.message.subject}: acknowledged by {alert.acknowledged_by}")


@commands.command()
def dismiss(
    number: Annotated[int, typer.Argument(help="The number in `almanac alerts list`.")],
    reason: Annotated[str, typer.Option(help="Why nothing has to be done. Recorded.", prompt=True)],
    by: Annotated[str, typer.Option(help="Who dismisses it; default: you.")] = "",
) -> None:
    """Close an alert whose cause stays: a rejected file that is not delivered again, a run that is not repeated."""
    import getpass
    from datetime import UTC

    from almanac.alerts.alert_log import AlertLog
    from almanac.config.home import Home
    from almanac.journal.journal import Journal

    alert = AlertLog(Journal(Home().journal_url)).dismiss(number, by or getpass.getuser(), reason, datetime.now(UTC))
    print(f"{alert.message.subject}: dismissed by {alert.dismissed_by}; reported within five minutes")


def _print_undelivered(alerts: "list[DeliveredAlert]", *, as_json: bool) -> None:

    lost = [alert for alert in alerts if not alert.delivered]
    if as_json:
        print_json(lost)
        return
    for alert in lost:
        print(f"{_minute(alert.raised_at)}  {alert.channel:12}  {alert.title}\n    {alert.error}")
    if not lost:
        print("All messages were delivered.")


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"
