"""`key show`, `key public`, `key rotate`: the key that signs and encrypts backups. `backup-key` prints it."""

from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.backups.places import open_installation, record_in_journal, run_of, user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from almanac.backup.store.keys import Key
    from almanac.backup.store.repository import BackupRepository
    from almanac.journal.journal import Journal

commands = typer.Typer(
    help="The key that signs and encrypts backups: show its name, or rotate it.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="key", rich_help_panel="Backups")


@commands.command()
def show() -> None:
    """Print the name of the installation's key and of each repository's; exit code 1 when they differ.

    The name is a fingerprint: it does not give the key away. `almanac backup-key` prints the key.
    """
    from almanac.backup.store.keys import find_keys
    from almanac.config.home import Home

    keys, where = find_keys(Home())
    print(f"{keys[0].name if keys else 'none':16}  the installation's, from {where}")
    if not keys:
        raise typer.Exit(1)
    _, _, places = open_installation(write=False)
    agree = [_show_repository(repository, keys[0].name) for repository in places.all()]
    if not all(agree):
        raise typer.Exit(1)


@commands.command()
def public() -> None:
    """Print the public half of the key that signs exported versions; it gives nothing away.

    Another installation that is to import versions from here declares it under `trusted_origins`.
    """
    from almanac.backup.store.keys import find_or_make_keys
    from almanac.config.home import Home
    from almanac.transfer.signature import public_key

    print(public_key(find_or_make_keys(Home())[0]))


@commands.command()
def rotate(
    reason: Annotated[str, typer.Option(help="Why. Recorded in the repositories and in the journal.")] = "by hand",
    without_old: Annotated[
        bool, typer.Option("--without-old", help="The repository's key is lost: continue without it.")
    ] = False,
) -> None:
    """Give the repositories a new key; snapshots of the old one stay readable. After an interruption, run it again.

    A key in the home's file is replaced by a random one. A key from a variable or a connection is changed there first:
    put the new key in front of the old one, separated by a space.
    """
    from datetime import UTC, datetime

    from almanac.backup.store.key_rotation import is_pending
    from almanac.backup.store.key_rotation import rotate as rotate_places

    _, _, places = open_installation(write=False)
    if not (is_pending(places.all()) or without_old):
        _draw_new_key()
        _, _, places = open_installation(write=False)
    key = places.first.signing_key()
    _record_once(key, places.first.older, reason)
    done = rotate_places(places.all(), now=datetime.now(UTC), by=user(), reason=reason, without_old=without_old)
    for one in done:
        print(f"{one.uri}: {one.before or 'no key'} -> {key.name}; {one.manifests} snapshots of older keys stay valid")
    print("Keep a copy of the new key apart from the backups: almanac backup-key")


def _record_once(key: "Key", older: "Sequence[Key]", reason: str) -> None:
    """Record that this rotation was requested, unless it is recorded already."""
    from datetime import UTC, datetime

    from almanac.config.home import Home
    from almanac.journal.records import Decision, DecisionKind

    before = older[0].name if older else "none"
    reasons = (f"the key of the backups is {key.name} from now on, it was {before}", reason)
    decision = Decision("", DecisionKind.BACKUP_KEY, True, reasons, datetime.now(UTC), run_of("key rotate"), key.name)

    def write(journal: "Journal") -> None:
        if not journal.decisions("", DecisionKind.BACKUP_KEY, subject=key.name, limit=1):
            journal.record_decision(decision)

    record_in_journal(Home(), write)


def _draw_new_key() -> None:
    """Put a new key in front of those in the home's file.

    Raises:
        ConfigError: there is no key, or it is not kept in the file.
    """
    from almanac.backup.store.keys import Key, find_keys, key_file, write_keys
    from almanac.config.home import Home
    from almanac.errors import ConfigError

    home = Home()
    keys, where = find_keys(home)
    if not keys:
        raise ConfigError(f"{where}: there is no key to rotate; the first backup creates one. Run almanac backup")
    new = Key.new()
    if where != str(key_file(home)):
        raise ConfigError(
            f"the key comes from {where}, which Almanac cannot change. Put a new key in front of the current one,"
            f" separated by a space, and run almanac key rotate again. A new key: {new.text}"
        )
    write_keys(home, (new, *keys))


def _show_repository(repository: "BackupRepository", ours: str) -> bool:
    from almanac.backup.store.key_records import newest_record

    found = newest_record(repository.store)
    if found is None:
        print(f"{'none':16}  {repository.uri}; the next backup records it")
        return True
    record = found[0]
    print(
        f"{record.key:16}  {repository.uri}, since {record.since:%Y-%m-%d %H:%M} UTC, by {record.by or '?'}:"
        f" {record.reason}"
    )
    for one in record.retired:
        print(
            f"{one.key:16}    retired; {len(one.manifests)} snapshots{'' if one.sealed else '; the key itself is lost'}"
        )
    return record.key == ours
