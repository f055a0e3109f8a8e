"""`promote`, `rollback`: which version is in production, decided by a person."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from almanac.journal.records import RunRef

_REASON = typer.Option("--reason", help="Why. Recorded in the journal and on the version, with your name.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(promote)
    app.command()(rollback)


def promote(
    version: Annotated[str, typer.Argument(metavar="MODEL@VERSION", help="For example weather@5.")],
    reason: Annotated[str, _REASON],
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Also of a model that declares `rollout`: without its steps.")
    ] = False,
) -> None:
    """Make a registered version champion, or begin its rollout where one is declared.

    Its gates must have passed; refused where four eyes are required.
    """
    from datetime import UTC, datetime

    from almanac.config.approvers import approval_of
    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.registry.records import CHAMPION
    from almanac.release.promotion import promote as promote_version
    from almanac.release.rollout import start_rollout
    from almanac.services.registry_access import open_registry

    name, separator, number = version.partition("@")
    if not separator or not number.isdecimal():
        raise typer.BadParameter(f"got {version!r}, expected MODEL@VERSION such as weather@5")
    home, now = Home(), datetime.now(UTC)
    model = find_model(home.models, name)
    if approval_of(model, home).four_eyes:
        raise typer.BadParameter(
            f"{version}: four eyes are required (approval.four_eyes), and a command line proves only one user of this"
            f" machine. Start promote_{name} in Airflow with the version and the reason; another person approves it"
            " there"
        )
    registry, journal = open_registry(home), Journal(home.journal_url)
    why, run = _checked_reason(reason), _run(now)
    if model.rollout is not None and not at_once and registry.aliases(name).get(CHAMPION, number) != number:
        begun = start_rollout(registry, model, number, reason=why, run=run, journal=journal, now=now)
        print(f"{name}: the rollout {begun.id} of version {number} has begun; see: almanac rollout show {name}")
        return
    promote_version(registry, model, number, reason=why, run=run, journal=journal, now=now)
    print(f"{name}: version {number} is champion. Scoring takes it from its next run on.")


def rollback(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    reason: Annotated[str, _REASON],
    to: Annotated[str, typer.Option("--to", help="A version's number, or previous.")] = "previous",
) -> None:
    """Put an earlier version back into production."""
    from datetime import UTC, datetime

    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.release.promotion import roll_back
    from almanac.services.registry_access import open_registry

    home, now = Home(), datetime.now(UTC)
    name = find_model(home.models, model).name
    registry, journal = open_registry(home), Journal(home.journal_url)
    done = roll_back(registry, name, to=to, reason=_checked_reason(reason), run=_run(now), journal=journal, now=now)
    print(f"{name}: version {done.to_version} is champion again, version {done.from_version} is out of production.")


def _checked_reason(reason: str) -> str:
    if len(reason.strip()) < 3:
        raise typer.BadParameter("--reason: say why, in at least three characters")
    return reason.strip()


def _run(now: "datetime") -> "RunRef":
    import getpass

    from almanac.journal.records import RunRef

    return RunRef("almanac", f"command__{now.isoformat()}", started_by=getpass.getuser(), trigger="command line")
