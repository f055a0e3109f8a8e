"""`up`, `down`, `status`, `demo`, `env`: the services of this machine."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    from almanac.services.services import Services

_HANDED_HELP = (
    "Pass this variable of your environment to the services, for example the credentials of an object store. Repeat"
    " it for more. No other variable is passed."
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(demo)
    app.command()(env)


def up(
    passed: Annotated[list[str] | None, typer.Option("--pass", metavar="NAME", help=_HANDED_HELP)] = None,
    with_sample: Annotated[
        bool, typer.Option("--sample", help="Where no file was ever ingested: land two years of made-up weather, too.")
    ] = False,
) -> None:
    """Start Airflow and MLflow on this machine; does nothing when they are up."""
    import os

    from almanac.config.home import Home
    from almanac.services.services import Services

    wanted = passed or []
    missing = sorted(name for name in wanted if name not in os.environ)
    if missing:
        raise typer.BadParameter(f"not set in your environment: {', '.join(missing)}")
    started = time.monotonic()
    services = Services(Home(), extra={name: os.environ[name] for name in wanted}, report=_print_progress)
    if services.up():
        print(f"The services are up after {time.monotonic() - started:.0f} s.")
    else:
        print("The services are already running.")
    if with_sample:
        _land_first_sample()
    print_addresses(services)


def _land_first_sample() -> None:
    """Give a new installation something to show; one that has data, or other models only, stays as it is."""
    from almanac.cli.declarations.sample import sample
    from almanac.config.files.loader import load_models
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.sample.landing import MODEL

    home = Home()
    names, journal = [model.name for model in load_models(home.models).declared], Journal(home.journal_url)
    if MODEL in names and not any(journal.batches(name, limit=1) for name in names):
        sample()


def print_addresses(services: "Services") -> None:
    """Say where a person looks at them and with which login; the passwords themselves are shown to terminals only."""
    from almanac.config.credentials import ADMIN, credentials_file
    from almanac.reporting.urls import MOUNT

    places = {
        "Almanac": f"{services.airflow_url}{MOUNT}/",
        "Airflow": services.airflow_url,
        "MLflow": services.mlflow_url,
    }
    for name, url in places.items():
        print(f"  {name:9} {url}   user {ADMIN}")
    print(f"  passwords {credentials_file(services.home.home)} (only you can read it)")
    if sys.stdout.isatty():
        known = services.credentials
        print(f"            Almanac and Airflow {known.airflow_password}, MLflow {known.mlflow_password}")


def down() -> None:
    """Stop them, and all processes that they started."""
    from almanac.config.home import Home
    from almanac.services.services import Services

    stopped = Services(Home(), report=_print_progress).down()
    print("The services are stopped." if stopped else "The services were not running.")


def status(as_json: AsJson = False) -> None:
    """Show which services run and respond; exit code 0 when all do, otherwise 1.

    Each is asked for a sign of life: an existing process may hang.
    """
    from dataclasses import asdict

    from almanac.config.home import Home
    from almanac.services.overview import overview

    found = overview(Home())
    if as_json:
        print_json({**asdict(found), "healthy": found.healthy})
        raise typer.Exit(int(not found.healthy))
    if found.problem:
        print(found.problem)
    for each in found.services:
        print(f"{each.name:15} {each.state:10} {each.words}")
    if any(each.state == "HUNG" for each in found.services) and found.supervisor == "up":
        print("The watcher restarts a hung service within minutes; `./almanac up` does so now where it can.")
    if not found.healthy:
        raise typer.Exit(1)


def demo(
    everything: Annotated[
        bool, typer.Option("--all", help="Also kills, events, windows, repairs, rollback, backups, restores.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Let the services run afterwards, to look at, until Ctrl-C.")
    ] = False,
    celery: Annotated[
        bool, typer.Option("--celery", help="On the stack of docker-compose.yaml: PostgreSQL, Redis, Celery workers.")
    ] = False,
    containers: Annotated[
        bool, typer.Option("--containers", help="The same stack, in containers by podman; needs root and Debian.")
    ] = False,
) -> None:
    """Run the main part of the product once, from a landed file to a monitored champion, in a separate home.

    With --celery and --containers everything is run, as with --all.
    """
    _need_checkout("demo")
    from demo.story import Where, main

    where: Where = "containers" if containers else "celery" if celery else ""
    if keep and where:
        raise typer.BadParameter("--keep: expected without --celery and --containers")
    raise typer.Exit(main(where, everything=everything or bool(where), keep=keep))


def env(
    path: Annotated[
        Path | None, typer.Option("--file", help="Where to write, instead of .env beside docker-compose.yaml.")
    ] = None,
) -> None:
    """Write the random secrets that docker-compose.yaml needs and the file lacks; only you can read it.

    An existing secret is never replaced.
    """
    _need_checkout("env")
    from almanac.config.home import REPOSITORY
    from almanac.services.env_file import write_env_file

    path = path or REPOSITORY / ".env"
    names = write_env_file(path, (REPOSITORY / "docker-compose.yaml").read_text("utf-8"))
    print(f"{path}: {len(names)} new secrets. Keep a copy elsewhere: the databases depend on it.")


def _need_checkout(command: str) -> None:
    from almanac.config.repository import IN_CHECKOUT, ROOT
    from almanac.errors import ConfigError

    if not IN_CHECKOUT:
        raise ConfigError(
            f"`almanac {command}` uses files that the package in {ROOT} does not have; expected a checkout of Almanac's"
            f" repository: run `./almanac {command}` there"
        )


def _print_progress(message: str) -> None:
    print(f"  {message}", flush=True)
