"""Puts the commands together. Imports of weight belong into the commands' bodies: `--help` must be quick."""

import sys
from typing import Annotated

import typer

from almanac.cli import (
    adoption,
    alerts,
    cleanup,
    cost,
    dataset,
    doctor,
    environments,
    expiry,
    forecast,
    journal,
    lineage,
    promotion,
    quarantine,
    rollout,
    scoring,
    services,
    serving,
    transfer,
    windows,
)
from almanac.cli.backups import backup, keys, loss, restore, retirement
from almanac.cli.declarations import config, draft, example, new, run, sample
from almanac.config.patience import VARIABLE, short_patience
from almanac.errors import AlmanacError, JournalSchemaError, TransientError

app = typer.Typer(
    name="almanac",
    help="Almanac schedules everything around a machine-learning model: data, training, runs, backups.",
    no_args_is_help=True,
    # A traceback with the values of all variables would print passwords.
    pretty_exceptions_show_locals=False,
)

EXIT_CODES = (
    "Exit codes: 0 done; 1 refused or failed, or what was looked for is wrong, and the output says why; 2 the command"
    " line is wrong or an option is missing; 3 (restore): all is back, but not of one time."
)

# For use during an outage: they answer within ten seconds, and say what does not respond.
EMERGENCY = ("status", "doctor", "alerts", "rollback", "promote", "rollout", "scoring", "down", "list", "show")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"almanac {version('almanac')}")
        raise typer.Exit


@app.callback(epilog=EXIT_CODES)
def wait(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Almanac schedules everything around a machine-learning model: data, training, runs, backups."""
    if context.invoked_subcommand in EMERGENCY:
        context.with_resource(short_patience())


# A new file of commands is a module with `register(app)`: import it above and name it here.
for commands in (
    services,
    doctor,
    draft,
    config,
    sample,
    example,
    new,
    run,
    alerts,
    quarantine,
    environments,
    dataset,
    windows,
    backup,
    restore,
    journal,
    keys,
    loss,
    expiry,
    cleanup,
    cost,
    lineage,
    promotion,
    adoption,
    rollout,
    transfer,
    forecast,
    retirement,
    scoring,
    serving,
):
    commands.register(app)


def main() -> None:
    """Run the command line; what Almanac raises on purpose is a message, not a traceback."""
    from almanac.cli.terminal import clean_standard_streams
    from almanac.config.home import Home
    from almanac.storage.access import load_credentials_from_environment

    clean_standard_streams()
    try:
        if not {"--help", "--version"} & set(sys.argv):  # which need no installation
            load_credentials_from_environment(Home().stores)
        app(prog_name="almanac")
    except AlmanacError as error:
        print(f"almanac: {error}", file=sys.stderr)
        passing = isinstance(error, TransientError) and not isinstance(error, JournalSchemaError)
        if passing and set(EMERGENCY).intersection(sys.argv[1:2]):
            print(
                f"This command waits a few seconds only; set {VARIABLE}=60 in its environment to wait longer.",
                file=sys.stderr,
            )
        raise SystemExit(1) from error
