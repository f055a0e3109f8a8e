"""`export`, `import`: a version goes from one installation to another."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("export")(export)
    app.command("import")(import_)


def export(
    version: Annotated[str, typer.Argument(metavar="MODEL@VERSION", help="weather@3 or weather@champion.")],
    file: Annotated[Path, typer.Argument(help="Where to write the archive; must not exist.")],
) -> None:
    """Write one version as a signed archive, for `almanac import` in another installation. No rows are in it."""
    import getpass
    from datetime import UTC, datetime

    from almanac.backup.store.keys import find_or_make_keys
    from almanac.cli.lineage import version_of
    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.services.registry_access import open_registry
    from almanac.transfer.export import export_version
    from almanac.transfer.signature import public_key

    home = Home()
    registry, key = open_registry(home), find_or_make_keys(home)[0]
    name, number = version_of(registry, version)
    head = export_version(
        home,
        registry,
        Journal(home.journal_url),
        registry.version(name, number),
        file,
        key=key,
        by=getpass.getuser(),
        now=datetime.now(UTC),
    )
    size = sum(one.size for one in head.files)
    print(f"{file}: {head.title}, {len(head.files)} files, {size / 1e6:.1f} MB, archive SHA-256 {head.sha256}")
    print(f"Signed by {public_key(key)}: an installation that imports it declares this key under trusted_origins.")


def import_(
    file: Annotated[Path, typer.Argument(help="What `almanac export` has written.")],
    to: Annotated[str, typer.Option("--to", help="The model that takes it here; without: the one of its name.")] = "",
) -> None:
    """Take a version from another installation, if it is trusted and passes the gates here on the newest rows here.

    It becomes challenger, and champion by the route that the model declares here. Exit code 1 when it is refused.
    """
    import getpass
    from datetime import UTC, datetime

    from almanac.config.home import Home
    from almanac.journal.journal import Journal
    from almanac.services.registry_access import open_registry
    from almanac.transfer.arrival import import_version

    home = Home()
    done = import_version(
        file,
        home,
        open_registry(home),
        Journal(home.journal_url),
        to=to,
        by=getpass.getuser(),
        now=datetime.now(UTC),
        on_progress=lambda text: print(f"  {text}", flush=True),
    )
    if not done.version:
        print(f"{done.title}: refused by the gates here:")
    elif done.was_here:
        print(f"{done.title}: is here already as {done.version}; nothing was changed.")
    for reason in done.reasons:
        print(f"  {reason}")
    if not done.version:
        raise typer.Exit(1)
